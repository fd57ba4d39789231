"""Small feature groups and rows for tests of what lies offline."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.resources.offline.offline_table import Commit, OfflineTable
from headrace.resources.offline.table_spec import TableKind, TableSpec, feature_table

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
START = datetime(2018, 1, 1, tzinfo=UTC)
HOUSEHOLD = EntitySpec("household", (JoinKey("household_id", DType.INT64),))
SPEND = FeatureGroupSpec(
    name="spend",
    version=1,
    entity=HOUSEHOLD,
    features=(
        FeatureSpec("amount", DType.FLOAT64),
        FeatureSpec("store", DType.STRING, nullable=True),
    ),
    ttl=timedelta(days=3),
    online=Online.SNAPSHOT,
    owners=("team:growth",),
    partitions="DAILY",
)
LAST_BASKET = replace(SPEND, name="last_basket", online=Online.UPSERT)
PRODUCTS = TableSpec(
    kind=TableKind.DIMENSION,
    name="products",
    version=1,
    columns=(("product_id", pl.Int64()), ("price", pl.Decimal(10, 2))),
    partitioning=None,
    event_timestamp=None,
    stamped_at_end=False,
    key=(),
)


def day(number: int) -> str:
    """The key of the daily partition that begins so many days after `START`."""
    return f"{START + number * DAY:%Y-%m-%d}"


def end(number: int) -> datetime:
    """Where that partition ends."""
    return START + (number + 1) * DAY


def snapshot_rows(number: int, amounts: Mapping[int, float]) -> pl.DataFrame:
    """Rows of `SPEND` for a partition: an amount by household."""
    return upsert_rows(*((household, end(number), amount) for household, amount in amounts.items()))


def upsert_rows(*rows: tuple[int, datetime, float]) -> pl.DataFrame:
    """Rows of `LAST_BASKET`: household, event timestamp, amount."""
    return pl.DataFrame(
        [(*row, None) for row in rows], schema=feature_table(SPEND).schema, orient="row"
    )


def commit(table: OfflineTable, number: int, rows: pl.DataFrame, **changes: object) -> Commit:
    """Commit a daily partition; every call is a new computation unless an identity is given."""
    identity = f"{number}/{len(table.log.commits)}"
    arguments: dict[str, Any] = {
        "identity": identity,
        "run_id": "run",
        "code_version": "code",
        "verdicts": {},
    }
    return table.commit(day(number), rows, **{**arguments, **changes})


def amounts(table: OfflineTable, *partitions: str) -> list[tuple[int, float]]:
    """Household and amount of the rows in these partitions (in all when none are given)."""
    rows = table.snapshot().scan(partitions or None).collect()
    return list(rows.select("household_id", "amount").iter_rows())
