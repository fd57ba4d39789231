"""Our way from a committed partition to the online store; each function is a step of its own."""

from dataclasses import asdict

import redis

from headrace.benchmarks._cost import measured
from headrace.benchmarks._publish_rows import DAYS, group_of, table_of
from headrace.benchmarks._runs import Cost
from headrace.contract.feature_group import Online
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.publisher import Publication, publish_partition
from headrace.resources.online.registry import Registry


def guarded(folder: str, url: str) -> Cost:
    """A late day: a newer row is online already, so that each row is compared."""
    return _published(folder, url, Online.UPSERT, measure=0, before=1)


def fast(folder: str, url: str) -> Cost:
    """A day ahead of everything, into an empty store."""
    return _published(folder, url, Online.SNAPSHOT, measure=0)


def daily(folder: str, url: str) -> Cost:
    """The next day, over the rows of the day before it."""
    return _published(folder, url, Online.SNAPSHOT, measure=1, before=0)


def fast_upsert(folder: str, url: str) -> Cost:
    """A day of events ahead of everything, into an empty store."""
    return _published(folder, url, Online.UPSERT, measure=0)


def server_cpu_seconds(client: redis.Redis) -> float:
    """What the server has used so far."""
    used = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _published(
    folder: str, url: str, online: Online, *, measure: int, before: int | None = None
) -> Cost:
    group = group_of(online)
    table = table_of(folder, group)
    with OnlineStore(url, "benchmark") as store, redis.Redis.from_url(url) as client:
        registry = Registry(store, OfflineStore(f"{folder}/offline"))

        def publish(day: int) -> Publication:
            return publish_partition(group, table, DAYS[day], online=store, registry=registry)

        if before is not None:
            publish(before)
        used = server_cpu_seconds(client)
        with measured() as cost:
            publication = publish(measure)
        return {
            **cost,
            "server_cpu_seconds": server_cpu_seconds(client) - used,
            **asdict(publication),
        }
