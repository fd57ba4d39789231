"""Steps of `commit.py`: commits of a partition, and reads of one entity's history."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl

from headrace.assets.verdicts import judge
from headrace.benchmarks._cost import measured
from headrace.benchmarks._training_rows import group_files
from headrace.benchmarks._training_tables import group_spec
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.partitions import DAILY
from headrace.resources.offline.entity_buckets import entity_buckets
from headrace.resources.offline.history import history_of
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.row_checks import checked
from headrace.resources.offline.table_snapshot import TableSnapshot
from headrace.resources.offline.table_spec import (
    EVENT_TIMESTAMP,
    EVENT_TIMESTAMP_TYPE,
    feature_table,
)

FEATURES = 10
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Rows(pa.DataFrameModel):
    """Ten features, each with a rule about its values and none of them null."""

    customer_id: pl.Int64
    f0: pl.Float64 = pa.Field(ge=0, le=1)
    f1: pl.Float64 = pa.Field(ge=0, le=1)
    f2: pl.Float64 = pa.Field(ge=0, le=1)
    f3: pl.Float64 = pa.Field(ge=0, le=1)
    f4: pl.Float64 = pa.Field(ge=0, le=1)
    f5: pl.Float64 = pa.Field(ge=0, le=1)
    f6: pl.Float64 = pa.Field(ge=0, le=1)
    f7: pl.Float64 = pa.Field(ge=0, le=1)
    f8: pl.Float64 = pa.Field(ge=0, le=1)
    f9: pl.Float64 = pa.Field(ge=0, le=1)


def commits(folder: str, *, rows: int, buckets: int, order: str, runs: int) -> dict[str, Any]:
    """Validate, sort and commit a partition, again and again, each time of another day.

    The first of a process is left out: it also builds the schema and warms what everything shares.
    """
    table = OfflineStore(folder).table(feature_table(_group(), buckets=buckets))
    frame = _frame(rows, order)
    costs = []
    for number in range(runs + 1):
        day = _FIRST + timedelta(days=number)
        stamp = pl.lit(day + timedelta(days=1)).cast(EVENT_TIMESTAMP_TYPE)
        started = time.perf_counter()
        with measured() as cost:
            judged = judge(Rows, frame)
            cost["judge"] = time.perf_counter() - started
            stamped = judged.rows.with_columns(stamp.alias(EVENT_TIMESTAMP))
            table.commit(
                DAILY.key(day),
                stamped,
                identity=str(number),
                run_id="benchmark",
                code_version="benchmark",
                verdicts=judged.verdict.to_json(),
            )
        started = time.perf_counter()
        ordered = checked(table.spec, DAILY.key(day), stamped)
        cost["check"] = time.perf_counter() - started
        started = time.perf_counter()
        _write(ordered, folder)
        cost["bare"] = time.perf_counter() - started
        costs.append(cost)
    return {"costs": costs[1:]}


def reads(folder: str, entities: int, buckets: int, count: int) -> dict[str, Any]:
    """Read the whole history of single entities, in turns from each place that has it."""
    snapshot = OfflineStore(f"{folder}/tables").table(
        feature_table(group_spec(0, "upsert"), buckets=buckets)
    )
    places = {
        "unsorted files": _unsorted(folder),
        "table": _in_table(snapshot.snapshot(), buckets),
        "history": _in_history(snapshot.snapshot(), buckets),
    }
    chosen = np.random.default_rng(3).integers(0, entities, count).tolist()
    costs: dict[str, list[float]] = {}
    found: dict[int, pl.DataFrame] = {}
    for customer in chosen:
        for name, read in places.items():
            started = time.perf_counter()
            rows = read(customer)
            costs.setdefault(name, []).append(time.perf_counter() - started)
            rows = rows.sort(EVENT_TIMESTAMP)
            if not rows.equals(found.setdefault(customer, rows)):
                message = f"{name} has other rows of customer {customer}"
                raise ValueError(message)
    return {name: {"seconds": seconds} for name, seconds in costs.items()}


def _unsorted(folder: str) -> Callable[[int], pl.DataFrame]:
    files = group_files(Path(folder), 0)
    return lambda customer: _of(pl.scan_parquet(files), customer)


def _in_table(snapshot: TableSnapshot, buckets: int) -> Callable[[int], pl.DataFrame]:
    """Through the table itself: a file per day of the customer's bucket."""
    snapshot.files()
    return lambda customer: _of(snapshot.scan(buckets=[_bucket(customer, buckets)]), customer)


def _in_history(snapshot: TableSnapshot, buckets: int) -> Callable[[int], pl.DataFrame]:
    """Through what maintenance keeps: a file per month of the customer's bucket."""
    history = history_of(snapshot)
    cells = {} if history is None else history.cells

    def read(customer: int) -> pl.DataFrame:
        bucket = _bucket(customer, buckets)
        files = [uri for (_, number), uri in cells.items() if number == bucket]
        return _of(pl.scan_parquet(files, hive_partitioning=False), customer)

    return read


def _of(rows: pl.LazyFrame, customer: int) -> pl.DataFrame:
    return rows.filter(pl.col("customer_id") == customer).collect()


def _bucket(customer: int, buckets: int) -> int:
    key = pl.DataFrame({"customer_id": [customer]})
    return int(entity_buckets(key, ["customer_id"], buckets).item())


def _write(rows: pl.DataFrame, folder: str) -> None:
    path = Path(folder, "bare.parquet")
    rows.write_parquet(path, compression="zstd", compression_level=1, row_group_size=131_072)


def _frame(rows: int, order: str) -> pl.DataFrame:
    chance = np.random.default_rng(1)
    customers = np.arange(rows) if order == "sorted" else chance.permutation(rows)
    features = {f"f{number}": chance.random(rows) for number in range(FEATURES)}
    return pl.DataFrame({"customer_id": customers, **features})


def _group() -> FeatureGroupSpec:
    return FeatureGroupSpec(
        name="spend",
        version=1,
        entity=EntitySpec("customer", (JoinKey("customer_id", DType.INT64),)),
        features=tuple(FeatureSpec(f"f{number}", DType.FLOAT64) for number in range(FEATURES)),
        ttl=timedelta(days=30),
        online=Online.SNAPSHOT,
        owners=("team:benchmarks",),
        partitions=DAILY.name,
    )
