"""The made-up shop, grown: what its customers spend is computed by three pods together."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import feature_group, trailing
from headrace.tests.e2e.shop import CUSTOMER, orders

__all__ = ["orders"]


class CustomerOrders(pa.DataFrameModel):
    """One row per customer that ordered in the last 2 days."""

    customer_id: int
    orders_2d: int = pa.Field(ge=1)
    spend_2d: float = pa.Field(ge=0)


@feature_group(
    entity=CUSTOMER,
    schema=CustomerOrders,
    sources=[trailing(orders, days=2)],
    ttl=timedelta(days=1),
    owners=["team:shop"],
    buckets=3,
    shards=3,
    resources={"cpu": "1500m", "memory": "256Mi"},
)
def customer_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders of two days."""
    return orders.group_by("customer_id").agg(
        orders_2d=pl.len().cast(pl.Int64), spend_2d=pl.col("amount").sum()
    )
