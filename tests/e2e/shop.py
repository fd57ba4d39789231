"""A small made-up project, as a team would install it beside Headrace: orders of customers.

Its orders are CSV files in the folder that `SHOP_ORDERS` names. A negative sum breaks a rule of
`customer_spend`; a sum of 0 makes its mean null.
"""

import os
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    Entity,
    EventTimestamp,
    feature_group,
    feature_service,
    same_partition,
    source,
    trailing,
)
from headrace.assets.readers import csv_folder

CUSTOMER = Entity("customer", join_keys={"customer_id": pl.Int64})


class Orders(pa.DataFrameModel):
    """An order of a customer."""

    customer_id: int
    ordered_at: EventTimestamp
    amount: float


class CustomerSpend(pa.DataFrameModel):
    """One row per customer that ordered in the last 2 days."""

    customer_id: int
    spend_2d: float = pa.Field(ge=0)
    mean_order_2d: float = pa.Field(nullable=True)


class CustomerLastOrder(pa.DataFrameModel):
    """The newest order of a customer in the partition."""

    customer_id: int
    event_timestamp: EventTimestamp
    amount: float


@source(schema=Orders, event_timestamp="ordered_at", start="2024-01-01", owners=["team:shop"])
def orders(start: datetime, end: datetime) -> pl.LazyFrame:
    """Orders with start <= ordered_at < end."""
    return csv_folder(
        os.environ["SHOP_ORDERS"],
        schema=Orders,
        event_timestamp="ordered_at",
        start=start,
        end=end,
    )


@feature_group(
    entity=CUSTOMER,
    schema=CustomerSpend,
    sources=[trailing(orders, days=2)],
    ttl=timedelta(days=1),
    owners=["team:shop"],
)
def customer_spend(orders: pl.LazyFrame) -> pl.LazyFrame:
    """What a customer spent in two days."""
    total = pl.col("spend_2d")
    return (
        orders.group_by("customer_id")
        .agg(spend_2d=pl.col("amount").sum(), orders=pl.len())
        .with_columns(mean_order_2d=pl.when(total > 0).then(total / pl.col("orders")))
        .select("customer_id", "spend_2d", "mean_order_2d")
    )


@feature_group(
    entity=CUSTOMER,
    schema=CustomerLastOrder,
    sources=[same_partition(orders)],
    ttl=None,
    owners=["team:shop"],
    online="upsert",
)
def customer_last_order(orders: pl.LazyFrame) -> pl.LazyFrame:
    """A customer's newest order."""
    return (
        orders.sort("ordered_at")
        .group_by("customer_id")
        .last()
        .select("customer_id", "amount", event_timestamp="ordered_at")
        .select("customer_id", "event_timestamp", "amount")
    )


shop_model = feature_service(
    "shop_model", features=[customer_spend, customer_last_order], owners=["team:shop"]
)
