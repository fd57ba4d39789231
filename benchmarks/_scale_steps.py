"""Steps of `_scale.py`: each runs in a process of its own."""

import time

import numpy as np
import polars as pl

from headrace.benchmarks._cost import measured
from headrace.benchmarks._publish_rows import DAYS, FEATURES, group_of, table_of
from headrace.benchmarks._runs import Cost
from headrace.contract.feature_group import Online
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.publisher import publish_partition
from headrace.resources.online.registry import Registry
from headrace.resources.online.verification import verify_group
from headrace.serving.client import FeatureClient
from headrace.tests.serving.running import server_process

SAMPLE = 10_000
GROUP = group_of(Online.SNAPSHOT)
_NAMESPACE = "benchmark"
_LOOKUPS = 3_000


def commit(folder: str, url: str, rows: int) -> Cost:  # noqa: ARG001 - all steps are called alike
    """Commit one partition."""
    chance = np.random.default_rng(7)
    values = {f"f{number}": chance.random(rows) for number in range(FEATURES)}
    end = np.datetime64("2026-06-02T00:00:00", "us")
    frame = pl.DataFrame(
        {"customer_id": np.arange(rows, dtype=np.int64), "event_timestamp": np.full(rows, end)}
        | values
    ).with_columns(pl.col("event_timestamp").dt.replace_time_zone("UTC"))
    del values
    with measured() as cost:
        table_of(folder, GROUP).commit(
            DAYS[0],
            frame,
            identity="scale",
            run_id="run",
            code_version="1",
            verdicts={},
        )
    return cost


def publish(folder: str, url: str, rows: int) -> Cost:
    """Publish it into the empty store."""
    table = table_of(folder, GROUP)
    with OnlineStore(url, _NAMESPACE) as store, measured() as cost:
        registry = Registry(store, OfflineStore(f"{folder}/offline"))
        done = publish_partition(GROUP, table, DAYS[0], online=store, registry=registry)
    if done.rows_written != rows:
        message = f"{done.rows_written} rows of {rows} were written"
        raise RuntimeError(message)
    return {**cost, "rows": rows}


def prove(folder: str, url: str, rows: int) -> Cost:  # noqa: ARG001 - as above
    """Compare a sample with what is committed."""
    with OnlineStore(url, _NAMESPACE) as store, measured() as cost:
        registry = Registry(store, OfflineStore(f"{folder}/offline"))
        found = verify_group(GROUP, table_of(folder, GROUP), store, registry, sample=SAMPLE)
    return {**cost, "equal": found.equal, "clean": found.is_clean}


def look_up(folder: str, url: str, rows: int) -> Cost:  # noqa: ARG001 - as above
    """Ask the feature server for random entities, one call after the other."""
    chance, found = np.random.default_rng(11), dict[str, float]()
    with (
        measured() as cost,
        server_process(HEADRACE_REDIS=url, HEADRACE_NAMESPACE=_NAMESPACE) as server,
        FeatureClient(server.address) as client,
    ):
        for count in (1, 100):
            seconds = []
            for ids in chance.integers(0, rows, (_LOOKUPS // count + 300, count)).tolist():
                started = time.perf_counter()
                answer = client.get_online_features([GROUP.name], entities={"customer_id": ids})
                seconds.append(time.perf_counter() - started)
                if None in pl.DataFrame(answer.to_arrow()).row(0):
                    message = f"an entity of {ids} has no row"
                    raise RuntimeError(message)
            steady = np.array(seconds[100:]) * 1000  # the first warm connections and caches
            found |= {
                f"{count}: p50 ms": float(np.quantile(steady, 0.5)),
                f"{count}: p99 ms": float(np.quantile(steady, 0.99)),
            }
    return {**cost, **found}
