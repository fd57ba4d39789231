"""What `day_end_to_end.py` computes: a day's purchases, a tile of each customer, ten features.

The declarations are those that a team would write; nothing here knows that it is measured.
"""

import os
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    EventTimestamp,
    feature_group,
    same_partition,
    source,
    trailing,
)
from headrace.assets.declarations import Entity
from headrace.assets.readers import parquet_folder

DAYS = 30
FOLDER = "HEADRACE_BENCHMARK_PURCHASES"
"""Under which name the environment holds where the raw files are."""
_OWNERS = ["team:benchmarks"]

CUSTOMER = Entity("customer", {"customer_id": pl.Int64})


class Purchases(pa.DataFrameModel):
    """A purchase."""

    customer_id: int
    amount: float = pa.Field(ge=0)
    purchased_at: EventTimestamp


@source(schema=Purchases, event_timestamp="purchased_at", start="2026-06-01", owners=_OWNERS)
def purchases(start: datetime, end: datetime) -> pl.LazyFrame:
    """Purchases as they arrived, in time's order."""
    return parquet_folder(
        os.environ[FOLDER],
        schema=Purchases,
        event_timestamp="purchased_at",
        start=start,
        end=end,
    )


class CustomerDay(pa.DataFrameModel):
    """What a customer bought in a day."""

    customer_id: int
    purchases: int = pa.Field(ge=1)
    spend: float = pa.Field(ge=0)
    largest: float = pa.Field(ge=0)


@feature_group(
    entity=CUSTOMER,
    schema=CustomerDay,
    sources=[same_partition(purchases)],
    ttl=timedelta(days=2),
    owners=_OWNERS,
    online=None,
)
def customer_day(purchases: pl.LazyFrame) -> pl.LazyFrame:
    """The sums of a day: what longer windows are made of, without reading purchases again."""
    return purchases.group_by("customer_id").agg(
        purchases=pl.len().cast(pl.Int64),
        spend=pl.col("amount").sum(),
        largest=pl.col("amount").max(),
    )


class CustomerSpend(pa.DataFrameModel):
    """One row per customer with a purchase in the 30 days before the event timestamp."""

    customer_id: int
    purchases_1d: float = pa.Field(ge=0)
    purchases_7d: float = pa.Field(ge=0)
    purchases_30d: float = pa.Field(ge=1)
    spend_1d: float = pa.Field(ge=0)
    spend_7d: float = pa.Field(ge=0)
    spend_30d: float = pa.Field(ge=0)
    mean_1d: float = pa.Field(ge=0, nullable=True)
    mean_7d: float = pa.Field(ge=0, nullable=True)
    mean_30d: float = pa.Field(ge=0)
    largest_1d: float = pa.Field(ge=0, nullable=True)


FEATURES = len(CustomerSpend.to_schema().columns) - 1


@feature_group(
    entity=CUSTOMER,
    schema=CustomerSpend,
    sources=[trailing(customer_day, days=DAYS)],
    ttl=timedelta(days=3),
    owners=_OWNERS,
)
def customer_spend(customer_day: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    """Purchases and spend of the trailing day, week and month."""
    tiles = customer_day.with_columns(age=end - pl.col("event_timestamp"))
    sums = tiles.group_by("customer_id").agg(
        *(_within(days, "purchases").sum().alias(f"purchases_{days}d") for days in (1, 7)),
        pl.col("purchases").sum().alias("purchases_30d"),
        *(_within(days, "spend").sum().alias(f"spend_{days}d") for days in (1, 7)),
        pl.col("spend").sum().alias("spend_30d"),
        largest_1d=_within(1, "largest").max(),
    )
    return sums.select(
        "customer_id",
        *(pl.col(f"purchases_{days}d").cast(pl.Float64) for days in (1, 7, 30)),
        *(pl.col(f"spend_{days}d") for days in (1, 7, 30)),
        *(_mean(days) for days in (1, 7, 30)),
        "largest_1d",
    )


def _within(days: int, column: str) -> pl.Expr:
    # A tile stands at its day's end: that of the newest day is of age zero.
    return pl.when(pl.col("age") < timedelta(days=days)).then(column)


def _mean(days: int) -> pl.Expr:
    purchases = pl.col(f"purchases_{days}d")
    return pl.when(purchases > 0).then(pl.col(f"spend_{days}d") / purchases).alias(f"mean_{days}d")
