"""The rows that `publish.py` publishes: two days of a snapshot and of an upsert group, in Delta."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from headrace.benchmarks._runs import Cost
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table

FEATURES = 10
DAYS = ("2026-06-01", "2026-06-02")
_CUSTOMER = EntitySpec("customer", (JoinKey("customer_id", DType.INT64),))
_START = datetime(2026, 6, 1, tzinfo=UTC)


def group_of(online: Online) -> FeatureGroupSpec:
    """A group of ten floats."""
    return FeatureGroupSpec(
        f"spend_{online.value}",
        1,
        _CUSTOMER,
        tuple(FeatureSpec(f"f{number}", DType.FLOAT64) for number in range(FEATURES)),
        timedelta(days=365),
        online,
        ("team:benchmark",),
        "DAILY",
    )


def table_of(folder: str, group: FeatureGroupSpec) -> OfflineTable:
    """Where the group's rows are committed."""
    return OfflineStore(f"{folder}/offline").table(feature_table(group))


def commit(folder: str, rows: int) -> Cost:
    """Commit both days of both groups, and write what Feast reads: the first day in one file.

    The upsert group's second day is one row: with it online, the first day is late.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    snapshot, upsert = (group_of(online) for online in (Online.SNAPSHOT, Online.UPSERT))
    first = _frame(rows, _START + timedelta(days=1))
    _commit(folder, snapshot, 0, first)
    _commit(folder, snapshot, 1, _frame(rows, _START + timedelta(days=2)))
    _commit(folder, upsert, 0, _frame(rows, _START + timedelta(hours=18)))
    _commit(folder, upsert, 1, _frame(1, _START + timedelta(days=1, hours=1)))
    first.with_columns(
        pl.col("event_timestamp").alias("created"),
    ).write_parquet(f"{folder}/feast.parquet")
    return {"rows": rows}


def _frame(rows: int, at: datetime) -> pl.DataFrame:
    values = np.random.default_rng(7).random((FEATURES, rows))
    return pl.DataFrame(
        {
            "customer_id": np.arange(rows, dtype=np.int64),
            **{f"f{number}": values[number] for number in range(FEATURES)},
        }
    ).select(
        "customer_id",
        pl.lit(at).cast(pl.Datetime("us", "UTC")).alias("event_timestamp"),
        pl.exclude("customer_id"),
    )


def _commit(folder: str, group: FeatureGroupSpec, day: int, frame: pl.DataFrame) -> None:
    table_of(folder, group).commit(
        DAYS[day],
        frame,
        identity=DAYS[day],
        run_id="run",
        code_version="1",
        verdicts={},
        publish="deferred",  # else the first day of a snapshot group were superseded
    )
