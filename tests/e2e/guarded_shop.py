"""The shop with a critical group: somebody approves each partition before anybody sees it."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import feature_group, same_partition
from headrace.tests.e2e.shop import CUSTOMER, orders


class CustomerLimit(pa.DataFrameModel):
    """How much a customer may owe; a limit above 20 is worth a look."""

    customer_id: int
    limit: float = pa.Field(ge=0)

    @pa.check("limit", name="is usual", raise_warning=True)
    def is_usual(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's way
        return data.lazyframe.select(pl.col(data.key) <= 20)


@feature_group(
    entity=CUSTOMER,
    schema=CustomerLimit,
    sources=[same_partition(orders)],
    ttl=timedelta(days=7),
    owners=["team:credit"],
    online=None,
)
def customer_score(orders: pl.LazyFrame) -> pl.LazyFrame:
    """A function whose author was wrong: it fails where it is written."""
    scores: dict[str, float] = {}
    return orders.select("customer_id", limit=scores["unknown"])


@feature_group(
    entity=CUSTOMER,
    schema=CustomerLimit,
    sources=[same_partition(orders)],
    ttl=timedelta(days=7),
    owners=["team:credit"],
    approval=True,
)
def customer_limit(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Twice what a customer ordered on a day."""
    return orders.group_by("customer_id").agg(limit=2 * pl.col("amount").sum())
