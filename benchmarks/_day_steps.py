"""Steps of `day_end_to_end.py`: what stood before the day, the day as a whole, and its parts."""

import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import redis

from headrace.assets.declarations import FeatureGroup
from headrace.assets.factory.offline import offline_asset
from headrace.assets.factory.online import online_asset
from headrace.assets.factory.sources import source_asset
from headrace.assets.identity import content_identity
from headrace.assets.materialization import Materialized, materialize_partition
from headrace.assets.outcomes import Run
from headrace.assets.pinned_inputs import PinnedInputs
from headrace.assets.verdicts import judge
from headrace.benchmarks._cost import measured
from headrace.benchmarks._day import (
    DAYS,
    FOLDER,
    customer_day,
    customer_spend,
    purchases,
)
from headrace.benchmarks._publish_ours import server_cpu_seconds
from headrace.benchmarks._runs import Cost
from headrace.cli.services import dagster_home
from headrace.contract.clock import Clock
from headrace.contract.environment import Environment
from headrace.resources.deployments import Deployment, Publishing
from headrace.resources.offline.row_checks import checked
from headrace.resources.offline.table_spec import EVENT_TIMESTAMP, EVENT_TIMESTAMP_TYPE
from headrace.resources.online.projection import scan_commit
from headrace.resources.online.publisher import Publication, publish_partition
from headrace.resources.online.row_encoding import encode_keys, encode_values

_FIRST = datetime(2026, 6, 1, tzinfo=UTC)
_DAY = _FIRST + timedelta(days=DAYS - 1)
_KEY = "2026-06-30"
_SLICE_ROWS = 50_000


def prepare(folder: str, *, customers: int, events: int) -> Cost:
    """Write the day's raw files, and commit the tiles of the 29 days before it."""
    raw = Path(folder, "raw")
    raw.mkdir(parents=True)
    chance = np.random.default_rng(3)
    seconds = np.sort(chance.integers(0, 86_400_000_000, events))
    stamps = pl.Series(seconds).cast(pl.Duration("us")) + pl.lit(_DAY).cast(EVENT_TIMESTAMP_TYPE)
    pl.DataFrame(
        {
            "customer_id": chance.integers(0, customers, events),
            "amount": np.round(chance.lognormal(3, 1, events), 2),
        }
    ).with_columns(purchased_at=stamps).write_parquet(
        raw / "day.parquet", compression="zstd", row_group_size=500_000
    )
    table = _deployment(f"{folder}/before", "").offline.table(customer_day.table)
    for number in range(DAYS - 1):
        day = _FIRST + timedelta(days=number)
        table.commit(
            customer_day.partitions.key(day),
            _tile(chance, customers, day + timedelta(days=1)),
            identity=str(number),
            run_id="benchmark",
            code_version=customer_day.code_version,
            verdicts={"rows": 0, "passed": True, "breaches": []},
        )
    return {}


def day(folder: str, url: str, home: str) -> Cost:
    """The day from raw files to rows online, by `materialize` and `publish_partition`."""
    deployment, costs = _deployment(home, url), dict[str, float]()
    _restore(folder, home)
    with deployment.publishing() as publishing, redis.Redis.from_url(url) as client:
        used = server_cpu_seconds(client)
        with measured() as cost:
            run = Run(deployment.offline, "benchmark")
            for name, declared in _DECLARED.items():
                with _timed(costs, name):
                    _materialize(declared, run)
            with _timed(costs, "publish"):
                publication = _publish(deployment, publishing)
        costs["server_cpu_seconds"] = server_cpu_seconds(client) - used
    return {**cost, **costs, "rows": publication.rows_written, "fast": publication.batches_fast}


def day_in_dagster(folder: str, url: str, home: str) -> Cost:
    """The same as one run of Dagster's assets, in this process, recorded as the command does it."""
    warnings.simplefilter("ignore")
    environment = _environment(home, url)
    deployment = Deployment.of(environment)
    _restore(folder, home)
    clock = Clock(_DAY + timedelta(days=1, hours=1))
    assets = [
        source_asset(purchases, clock),
        offline_asset(customer_day, clock),
        offline_asset(customer_spend, clock),
        online_asset(customer_spend, [], clock),
    ]
    with (
        dg.DagsterInstance.from_config(str(dagster_home(environment))) as instance,
        measured() as cost,
    ):
        result = dg.materialize(
            assets,
            partition_key=_KEY,
            instance=instance,
            resources={"deployment": deployment},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if not result.success:
        message = "the run failed"
        raise RuntimeError(message)
    commit = deployment.offline.table(customer_spend.table).snapshot().commits[_KEY]
    return {**cost, "rows": commit.rows}


def parts(folder: str, url: str, home: str) -> Cost:
    """The same, every part by itself: nothing overlaps, as it does in the whole."""
    deployment, costs = _deployment(home, url), dict[str, float]()
    _restore(folder, home)
    run = Run(deployment.offline, "benchmark")
    window = purchases.partitions.window(_KEY)
    with _timed(costs, "events: read"):
        rows = purchases(window.start, window.end).collect()
    with _timed(costs, "events: judge"):
        rows = judge(purchases.schema, rows).rows
    with _timed(costs, "events: identity"):
        content_identity(rows)
    with _timed(costs, "events: checks, sort"):
        checked(purchases.table, _KEY, rows)
    with _timed(costs, "events: whole"):
        _materialize(purchases, run)
    _group_parts(customer_day, "tiles", deployment, costs)
    _group_parts(customer_spend, "features", deployment, costs)
    with deployment.publishing() as publishing:
        snapshot = deployment.offline.table(customer_spend.table).snapshot()
        commit, group = snapshot.commits[_KEY], customer_spend.spec
        with _timed(costs, "publish: read"):
            slices = list(scan_commit(snapshot, commit).collect_batches(chunk_size=_SLICE_ROWS))
        with _timed(costs, "publish: encode"):
            for part in slices:
                encode_keys(group, 1, part)
                encode_values(group, part, commit)
        with _timed(costs, "publish: whole"):
            publication = _publish(deployment, publishing)
    # What is named `whole` holds the parts before it once more.
    twice = ("events", "publish")
    again = [name for name in costs if name.split(":")[0] in twice and not name.endswith("whole")]
    seconds = sum(costs.values()) - sum(costs[name] for name in again)
    return {**costs, "seconds": seconds, "rows": publication.rows_written}


def _group_parts(
    group: FeatureGroup, name: str, deployment: Deployment, costs: dict[str, float]
) -> None:
    inputs = PinnedInputs.of(group, deployment.offline)
    end = group.partitions.window(_KEY).end
    with _timed(costs, f"{name}: read, compute"):
        rows = group(end=end, **inputs.frames(_KEY)).collect(engine="streaming")
    with _timed(costs, f"{name}: judge"):
        rows = judge(group.schema, rows).rows
    stamped = rows.with_columns(pl.lit(end).cast(EVENT_TIMESTAMP_TYPE).alias(EVENT_TIMESTAMP))
    with _timed(costs, f"{name}: checks, sort"):
        ordered = checked(group.table, _KEY, stamped)
    with _timed(costs, f"{name}: write, commit"):
        deployment.offline.table(group.table).commit(
            _KEY,
            ordered,  # sorted already: what is left of checking is small
            identity="parts",
            run_id="benchmark",
            code_version=group.code_version,
            verdicts={"rows": rows.height, "passed": True, "breaches": []},
        )


_DECLARED: dict[str, Materialized] = {
    "events": purchases,
    "tiles": customer_day,
    "features": customer_spend,
}


def _materialize(declared: Materialized, run: Run) -> None:
    outcome = materialize_partition(declared, _KEY, run)
    if outcome.commit is None:
        raise RuntimeError(outcome.reason)


def _publish(deployment: Deployment, publishing: Publishing) -> Publication:
    return publish_partition(
        customer_spend.spec,
        deployment.offline.table(customer_spend.table),
        _KEY,
        online=publishing.online,
        registry=publishing.registry,
    )


def _environment(home: str, url: str) -> Environment:
    return Environment.read({"HEADRACE_HOME": home, "HEADRACE_REDIS": url})


def _deployment(home: str, url: str) -> Deployment:
    return Deployment.of(_environment(home, url))


def _restore(folder: str, home: str) -> None:
    """A home as it stood before the day; Delta files never change, so that links will do."""
    os.environ[FOLDER] = f"{folder}/raw"
    shutil.copytree(f"{folder}/before", home, copy_function=os.link)


@contextmanager
def _timed(costs: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    costs[name] = time.perf_counter() - started


def _tile(chance: np.random.Generator, customers: int, end: datetime) -> pl.DataFrame:
    """A day in which each customer buys once on average: 63 % of them at all."""
    count = customers
    bought = pl.DataFrame(
        {
            "customer_id": chance.integers(0, customers, count),
            "amount": np.round(chance.lognormal(3, 1, count), 2),
        }
    )
    tile = customer_day.function(bought.lazy()).collect(engine="streaming")
    return tile.with_columns(pl.lit(end).cast(EVENT_TIMESTAMP_TYPE).alias(EVENT_TIMESTAMP))
