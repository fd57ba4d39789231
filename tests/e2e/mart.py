"""A made-up mart whose orders land in a folder per day, and whose refunds stand in one file.

`MART_ORDERS` and `MART_REFUNDS` name the folders. A negative amount breaks a rule.
"""

import os
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    Entity,
    EventTimestamp,
    feature_group,
    same_partition,
    source,
    trailing,
)
from headrace.assets.readers import csv_folder

CUSTOMER = Entity("customer", join_keys={"customer_id": pl.Int64})


class Amounts(pa.DataFrameModel):
    """An amount of money that went to or from a customer."""

    customer_id: int
    at: EventTimestamp
    amount: float


class Total(pa.DataFrameModel):
    """One row per customer with an amount."""

    customer_id: int
    total: float = pa.Field(ge=0)


def _read(pattern: str, start: datetime, end: datetime) -> pl.LazyFrame:
    return csv_folder(pattern, schema=Amounts, event_timestamp="at", start=start, end=end)


@source(
    schema=Amounts,
    event_timestamp="at",
    start="2024-01-01",
    owners=["team:sales"],
    landing="$MART_ORDERS/{partition}/*.csv",
)
def orders(start: datetime, end: datetime) -> pl.LazyFrame:
    """Orders with start <= at < end."""
    return _read(f"{os.environ['MART_ORDERS']}/*/*.csv", start, end)


@source(
    schema=Amounts,
    event_timestamp="at",
    start="2024-01-01",
    owners=["team:service"],
    late_within=timedelta(days=5),
)
def refunds(start: datetime, end: datetime) -> pl.LazyFrame:
    """Refunds with start <= at < end."""
    return _read(f"{os.environ['MART_REFUNDS']}/*.csv", start, end)


def _total(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.group_by("customer_id").agg(total=pl.col("amount").sum())


@feature_group(
    entity=CUSTOMER,
    schema=Total,
    sources=[same_partition(orders)],
    ttl=None,
    owners=["team:sales"],
)
def ordered_1d(orders: pl.LazyFrame) -> pl.LazyFrame:
    """What a customer ordered in a day."""
    return _total(orders)


@feature_group(
    entity=CUSTOMER,
    schema=Total,
    sources=[trailing(orders, days=3)],
    ttl=None,
    owners=["team:growth"],
)
def ordered_3d(orders: pl.LazyFrame) -> pl.LazyFrame:
    """What a customer ordered in 3 days."""
    return _total(orders)


@feature_group(
    entity=CUSTOMER,
    schema=Total,
    sources=[trailing(refunds, days=2)],
    ttl=None,
    owners=["team:service"],
)
def refunded_2d(refunds: pl.LazyFrame) -> pl.LazyFrame:
    """What a customer was refunded in 2 days."""
    return _total(refunds)
