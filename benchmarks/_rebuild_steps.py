"""Steps of `rebuild.py`: what is committed, and the rebuild of one group."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import redis

from headrace.benchmarks._cost import measured
from headrace.benchmarks._publish_ours import server_cpu_seconds
from headrace.benchmarks._publish_rows import FEATURES, group_of, table_of
from headrace.benchmarks._runs import Cost
from headrace.contract.feature_group import Online
from headrace.contract.partitions import DAILY
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.rebuild import rebuild_group
from headrace.resources.online.registry import Registry
from headrace.resources.online.verification import verify_group

SAMPLE = 10_000
_NAMESPACE = "benchmark"
_DAYS = 30
_FIRST = datetime(2026, 6, 1, tzinfo=UTC)


def commit(folder: str, *, entities: int) -> Cost:
    """Commit 30 days of events, and two of a snapshot."""
    chance = np.random.default_rng(5)
    upsert, snapshot = (
        table_of(folder, group_of(online)) for online in (Online.UPSERT, Online.SNAPSHOT)
    )
    for number in range(_DAYS):
        count = entities // 10 if number else entities
        ids = np.sort(chance.choice(entities, count, replace=False))
        seconds = chance.integers(0, 86_400, count)
        stamps = pl.Series(seconds).cast(pl.Duration("ms")) * 1000 + _FIRST
        _commit(upsert, number, ids, stamps + timedelta(days=number))
    for number in range(2):
        end = pl.Series([_FIRST + timedelta(days=number + 1)]).new_from_index(0, entities)
        _commit(snapshot, number, np.arange(entities), end)
    return {}


def rebuild(folder: str, url: str, online: str) -> Cost:
    """Rebuild a group in the empty store, and prove a sample of it."""
    group = group_of(Online(online))
    table = table_of(folder, group)
    with OnlineStore(url, _NAMESPACE) as store, redis.Redis.from_url(url) as client:
        registry = Registry(store, OfflineStore(f"{folder}/offline"))
        used = server_cpu_seconds(client)
        with measured() as cost:
            registry.project()
            done = rebuild_group(group, table, online=store, registry=registry)
        cost["server_cpu_seconds"] = server_cpu_seconds(client) - used
        started = time.perf_counter()
        found = verify_group(group, table, store, registry, sample=SAMPLE)
        cost["proof_seconds"] = time.perf_counter() - started
    if not (done.complete and found.is_clean):
        message = f"{done}: {found}"
        raise RuntimeError(message)
    return {**cost, "rows": done.rows, "equal": found.equal}


def _commit(table: OfflineTable, number: int, ids: np.ndarray, stamps: pl.Series) -> None:
    values = np.random.default_rng(number).random((FEATURES, len(ids)))
    frame = pl.DataFrame(
        {
            "customer_id": ids.astype(np.int64),
            "event_timestamp": stamps.cast(pl.Datetime("us", "UTC")),
            **{f"f{place}": values[place] for place in range(FEATURES)},
        }
    )
    table.commit(
        DAILY.key(_FIRST + timedelta(days=number)),
        frame,
        identity=str(number),
        run_id="run",
        code_version="1",
        verdicts={},
    )
