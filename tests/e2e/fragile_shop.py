"""The shop with a group whose process dies, once, at a partition for which a mark lies there."""

import os
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import feature_group, trailing
from headrace.tests.e2e.shop import CUSTOMER, orders


class CustomerTrail(pa.DataFrameModel):
    """What a customer spent in a week."""

    customer_id: int
    spend_7d: float = pa.Field(ge=0)


@feature_group(
    entity=CUSTOMER,
    schema=CustomerTrail,
    sources=[trailing(orders, days=7)],
    ttl=timedelta(days=7),
    owners=["team:shop"],
)
def customer_trail(orders: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    """Spend of a week; real functions compute, and do nothing else."""
    mark = Path(os.environ["SHOP_ORDERS"], f"die-{end:%Y-%m-%d}")
    if mark.exists():
        mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return orders.group_by("customer_id").agg(spend_7d=pl.col("amount").sum())
