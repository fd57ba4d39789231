"""How a household uses a store."""

from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from ..authoring import feature_group, trailing
from ..entities import HOUSEHOLD_STORE
from ..money import cents, dollars
from ..sources.transactions import transactions


class HouseholdStore(pa.DataFrameModel):
    """One row per household and store that it visited in the 30 days before the event timestamp."""

    household_id: int
    store_id: int
    visits_30d: int = pa.Field(ge=1, description="Baskets in 30 days.")
    spend_30d: float = pa.Field(ge=0, description="Dollars spent in 30 days.")
    visit_share_30d: float = pa.Field(
        gt=0, le=1, description="Share of the household's baskets in 30 days."
    )
    days_since_visit: int = pa.Field(
        ge=0, lt=30, description="Whole days from the last visit to the event timestamp."
    )
    days_between_visits_30d: float = pa.Field(
        ge=0,
        nullable=True,
        description="Mean days between visits in 30 days; null after one visit.",
    )


@feature_group(
    entity=HOUSEHOLD_STORE,
    schema=HouseholdStore,
    sources=[trailing(transactions, days=30)],
    ttl=timedelta(days=7),
    owners=["team:growth"],
)
def household_store(transactions: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    """Visits of a household to a store over the trailing month."""
    visited_at, visits = pl.col("transaction_timestamp"), pl.col("visits_30d")
    # Whole microseconds over a column: exact up to one rounding, the same in every computation.
    days_between = (pl.col("last") - pl.col("first")).dt.total_microseconds() / (
        (visits - 1) * 86_400_000_000
    )
    return (
        transactions.group_by("household_id", "store_id")
        .agg(
            visits_30d=pl.col("basket_id").n_unique().cast(pl.Int64),
            spend_30d=dollars(cents("sales_value").sum()),
            first=visited_at.min(),
            last=visited_at.max(),
        )
        .select(
            "household_id",
            "store_id",
            "visits_30d",
            "spend_30d",
            visit_share_30d=visits / visits.sum().over("household_id"),
            days_since_visit=(end - pl.col("last")).dt.total_days(),
            days_between_visits_30d=pl.when(visits > 1).then(days_between),
        )
    )
