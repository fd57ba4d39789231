"""The next version of one of the shop's groups, in a file of its own."""

from datetime import timedelta

import polars as pl

from headrace.assets.authoring import feature_group, trailing
from headrace.tests.e2e.shop import CUSTOMER, CustomerSpend, orders


@feature_group(
    entity=CUSTOMER,
    schema=CustomerSpend,
    sources=[trailing(orders, days=2)],
    ttl=timedelta(days=1),
    owners=["team:shop"],
    version=2,
)
def customer_spend(orders: pl.LazyFrame) -> pl.LazyFrame:
    """What a customer spent in two days, in cents."""
    return orders.group_by("customer_id").agg(
        spend_2d=pl.col("amount").sum() * 100,
        mean_order_2d=pl.lit(None, pl.Float64),
    )
