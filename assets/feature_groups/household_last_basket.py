"""What a household bought last."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from ..authoring import EventTimestamp, feature_group, same_partition
from ..entities import HOUSEHOLD
from ..money import cents, dollars
from ..sources.transactions import transactions


class HouseholdLastBasket(pa.DataFrameModel):
    """One row per household that bought something in the partition: its newest basket."""

    household_id: int
    event_timestamp: EventTimestamp = pa.Field(description="When it was bought.")
    value: float = pa.Field(ge=0, description="Dollars spent.")
    items: int = pa.Field(ge=1, description="Different products.")
    store_id: int = pa.Field(description="Where it was bought.")


@feature_group(
    entity=HOUSEHOLD,
    schema=HouseholdLastBasket,
    sources=[same_partition(transactions)],
    ttl=timedelta(days=90),
    owners=["team:growth"],
    online="upsert",
)
def household_last_basket(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """The newest basket of a household; of several at one instant the one with the greatest id."""
    basket = transactions.group_by("household_id", "basket_id").agg(
        event_timestamp=pl.col("transaction_timestamp").max(),
        value=dollars(cents("sales_value").sum()),
        items=pl.col("product_id").n_unique().cast(pl.Int64),
        store_id=pl.col("store_id").max(),
    )
    return (
        basket.group_by("household_id")
        .agg(pl.exclude("basket_id").sort_by("event_timestamp", "basket_id").last())
        .select("household_id", "event_timestamp", "value", "items", "store_id")
    )
