"""What is counted, and what a scrape shows of it."""

import math
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from headrace.contract.clock import Clock
from headrace.contract.feature_group import Online
from headrace.contract.order import FIRST, Order, encode_order
from headrace.contract.rows import to_microseconds
from headrace.contract.store_address import cluster_address
from headrace.contract.store_keys import watermark_key
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.cluster_store import ClusterStore
from headrace.serving.client import FeatureClient
from headrace.serving.freshness import group_ages
from headrace.serving.handler import Handler
from headrace.serving.metrics import Histogram, Metrics
from headrace.serving.observing import Tally
from headrace.serving.settings import Limits, MetricsSettings
from headrace.tests.resources.online.publishing import Stage, day, group_of
from headrace.tests.serving import answering
from headrace.tests.serving.operating import operated
from headrace.tests.serving.publishing import NOW, Memory, Publisher, group
from headrace.tests.serving.rest.asking import ask
from headrace.tests.serving.running import settings
from headrace.tests.serving.store.driving import engine, result
from headrace.tests.valkey_cluster import cluster
from headrace.tests.valkey_processes import Processes

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKUP = "/headrace.v1.FeatureService/GetOnlineFeatures"
WATCH = "/grpc.health.v1.Health/Watch"

Labels = frozenset[tuple[str, str]]


def samples(exposition: str) -> dict[tuple[str, Labels], float]:
    """The values of an exposition by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def shown(metrics: Metrics) -> dict[tuple[str, Labels], float]:
    return samples(metrics.exposition("", {})[0].decode())


def labelled(**labels: str) -> Labels:
    return frozenset(labels.items())


@given(st.lists(st.floats(0, 20)))
def test_a_histogram_counts_each_value_below_every_bound_that_it_does_not_exceed(
    values: list[float],
) -> None:
    bounds = (0.5, 1, 10)
    histogram = Histogram(bounds)

    histogram.add(values[::2])
    histogram.add(values[1::2])

    buckets, total = histogram.state()
    assert buckets == [
        *((str(float(bound)), sum(value <= bound for value in values)) for bound in bounds),
        ("+Inf", len(values)),
    ]
    assert total == pytest.approx(math.fsum(values))


def test_threads_lose_no_count() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(5000):
            metrics.answered("GetOnlineFeatures", "OK", 0.001)
            metrics.rows(Tally("a@1", 1, 2, 3, 4, 5.0))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    got = shown(metrics)
    calls = labelled(method="GetOnlineFeatures", status="OK")
    assert got["headrace_call_seconds_count", calls] == 20_000
    assert got["headrace_rows_total", labelled(group="a@1", status="error")] == 80_000
    assert got["headrace_served_age_seconds_count", labelled(group="a@1")] == 20_000


def test_the_breaker_is_in_one_state() -> None:
    metrics = Metrics()

    for state in ("open", "half_open", "open"):
        metrics.breaker(state)

    got = shown(metrics)
    states = {
        state: got["headrace_store_breaker", labelled(state=state)]
        for state in ("closed", "open", "half_open")
    }
    assert states == {"closed": 0, "open": 1, "half_open": 0}
    assert got["headrace_store_breaker_changes_total", frozenset()] == 3


def test_each_instance_counts_for_itself() -> None:
    first, second = Metrics(), Metrics()

    first.batch(10, 2, 0.001)

    assert shown(first)["headrace_store_batch_keys_sum", frozenset()] == 10
    assert shown(second)["headrace_store_batch_keys_sum", frozenset()] == 0


def test_a_group_is_as_old_as_the_newest_partition_that_is_published() -> None:
    """Of a snapshot group the floor says so, of an upsert group the watermark."""
    memory = Memory()
    publisher = Publisher(memory, "default")
    snapshot, upsert = group(), group("household_last_basket", online=Online.UPSERT)
    empty, unfinished = group("empty", online=Online.UPSERT), group("unfinished")
    for spec in (snapshot, upsert, empty, unfinished):
        publisher.register(spec)
    publisher.guard(snapshot, at=NOW - timedelta(hours=1))
    for spec in (upsert, empty):
        memory.set(publisher.guard_key(spec), encode_order(FIRST))
    newest = Order(to_microseconds(NOW - timedelta(seconds=5)), 1)
    memory.set(watermark_key("default", publisher.group_id(upsert)), encode_order(newest))
    memory.set(watermark_key("default", publisher.group_id(empty)), encode_order(FIRST))
    handler = answering.handler()
    answering.read(handler.refresh(), memory)

    ages = answering.read(group_ages(handler), memory)

    assert ages == {"household_spend@1": 3600, "household_last_basket@1": 5}


def test_no_group_has_an_age_before_the_catalogue_is_read() -> None:
    assert answering.read(group_ages(answering.handler()), Memory()) == {}


@pytest.mark.server
@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_what_the_rpc_answers_is_shown_over_http(
    valkey_url: str, publisher: Publisher, store: redis.Redis, transport: str
) -> None:
    spec = group()
    publisher.publish(spec, {(1,): (12.5, 3), (2,): (1.0, 1)}, at=NOW - timedelta(hours=1))
    publisher.write(spec, {(3,): (1.0, 1)}, at=NOW - timedelta(days=2))
    store.set(publisher.key(spec, (4,)), b"no row")
    chosen = settings(valkey_url, metrics=MetricsSettings("127.0.0.1:0"))
    with operated(chosen, transport) as server:
        address = server.others["Metrics"]
        with FeatureClient(server.address) as client:
            client.get_online_features(
                ["household_spend"],
                entities={"household_id": [1, 2, 3, 4, 5]},
                max_age=timedelta(minutes=90),
            )
        with grpc.insecure_channel(server.address) as channel:
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(LOOKUP, request_serializer=bytes)(b"\xff")
            watch: Iterator[bytes] = channel.unary_stream(WATCH, request_serializer=bytes)(b"")
            next(watch)
            got = samples(ask(address, "/metrics").body.decode())
        features = ask(address, "/v1/feature-groups").status

    def value(name: str, **labels: str) -> float:
        return got[f"headrace_{name}", labelled(**labels)]

    rows = {
        status: value("rows_total", group="household_spend@1", status=status)
        for status in ("present", "not_found", "stale", "error")
    }
    assert rows == {"present": 2, "not_found": 2, "stale": 0, "error": 1}
    assert value("served_age_seconds_sum", group="household_spend@1") == 3600
    assert value("group_age_seconds", group="household_spend@1") == 3600
    calls = {"method": "GetOnlineFeatures"}
    assert value("call_seconds_count", **calls, status="OK") == 1
    assert value("call_seconds_count", **calls, status="INVALID_ARGUMENT") == 1
    assert value("call_seconds_count", method="GetContract", status="OK") == 1
    assert value("store_batch_keys_sum") >= 6
    assert value("store_breaker", state="closed") == 1
    assert value("open_calls") == 1
    assert (value("store_waiting_readings"), value("store_waiting_keys")) == (0, 0)
    assert 0 <= value("catalogue_age_seconds") < 60
    assert (value("store_unavailable_servers"), value("store_cache_bytes")) == (0, 0)
    assert value("store_events_total", event="keys") >= 6
    assert value("store_events_total", event="timeouts") == 0
    build = next(dict(labels) for name, labels in got if name == "headrace_build_info")
    assert build["transport"] == transport
    assert any(name.startswith("process_") for name, _ in got)
    assert features == 404


@pytest.mark.server
@pytest.mark.slow
def test_groups_of_a_cluster_have_ages_too(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        nodes = cluster(processes)
        address = cluster_address(nodes.url)
        assert address is not None
        with (
            ClusterStore(address, nodes.url, "test") as online,
            engine(nodes.url) as reader,
        ):
            offline = OfflineStore(str(tmp_path / "offline"))
            for kind in (Online.SNAPSHOT, Online.UPSERT):
                made = Stage(group_of(kind, name=f"spend_{kind}"), online, offline)
                hour = (5,) if kind is Online.UPSERT else ()
                made.commit(1, [(household, *hour, 1.0) for household in range(50)])
                made.publish(1)
            handler = Handler("test", Limits(), Clock(day(4)))
            result(reader, handler.refresh())

            ages = result(reader, group_ages(handler))

    assert ages.keys() == {"spend_snapshot@1", "spend_upsert@1"}
    assert ages["spend_snapshot@1"] == 2 * 86400
    assert ages["spend_upsert@1"] == 3 * 86400 - 5 * 3600
