"""How much a household spends, lately and over a month."""

from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from ..authoring import feature_group, trailing
from ..entities import HOUSEHOLD
from ..money import cents, dollars
from ..sources.products import products
from ..sources.transactions import transactions

WINDOWS = (1, 7, 30)


class HouseholdSpend(pa.DataFrameModel):
    """One row per household with a purchase in the 30 days before the event timestamp."""

    household_id: int
    spend_1d: float = pa.Field(ge=0, description="Dollars spent in 1 day.")
    spend_7d: float = pa.Field(ge=0, description="Dollars spent in 7 days.")
    spend_30d: float = pa.Field(ge=0, description="Dollars spent in 30 days.")
    baskets_1d: int = pa.Field(ge=0, description="Baskets in 1 day.")
    baskets_7d: int = pa.Field(ge=0, description="Baskets in 7 days.")
    baskets_30d: int = pa.Field(ge=1, description="Baskets in 30 days.")
    discounts_1d: float = pa.Field(ge=0, description="Dollars off, by card and coupons, in 1 day.")
    discounts_7d: float = pa.Field(ge=0, description="Dollars off, by card and coupons, in 7 days.")
    discounts_30d: float = pa.Field(
        ge=0, description="Dollars off, by card and coupons, in 30 days."
    )
    mean_basket_7d: float = pa.Field(
        ge=0, nullable=True, description="Dollars per basket in 7 days; null without a basket."
    )
    private_label_share_30d: float = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="Share of private labels in what was spent; null when that is nothing.",
    )


@feature_group(
    entity=HOUSEHOLD,
    schema=HouseholdSpend,
    sources=[trailing(transactions, days=30), products],
    ttl=timedelta(days=3),
    owners=["team:growth"],
)
def household_spend(
    transactions: pl.LazyFrame, products: pl.LazyFrame, end: datetime
) -> pl.LazyFrame:
    """Spend, baskets and discounts of a household over the trailing day, week and month."""
    is_private = pl.col("brand").eq_missing("Private")
    discount = cents("retail_disc") + cents("coupon_disc") + cents("coupon_match_disc")
    baskets = (
        transactions.join(products.select("product_id", "brand"), on="product_id", how="left")
        .group_by("household_id", "basket_id", "transaction_timestamp")
        .agg(
            spend=cents("sales_value").sum(),
            discount=discount.sum(),
            private=cents("sales_value").filter(is_private).sum(),
        )
    )
    sums = baskets.group_by("household_id").agg(
        *(total for days in WINDOWS for total in _totals(days, end)), pl.col("private").sum()
    )
    return sums.select(
        "household_id",
        *(dollars(pl.col(f"spend_{days}d")) for days in WINDOWS),
        *(pl.col(f"baskets_{days}d") for days in WINDOWS),
        *(dollars(pl.col(f"discounts_{days}d")) for days in WINDOWS),
        mean_basket_7d=_ratio("spend_7d", pl.col("baskets_7d") * 100),
        private_label_share_30d=_ratio("private", pl.col("spend_30d")),
    )


def _totals(days: int, end: datetime) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    is_recent = pl.col("transaction_timestamp") >= end - timedelta(days=days)
    return (
        pl.col("spend").filter(is_recent).sum().alias(f"spend_{days}d"),
        pl.col("basket_id").filter(is_recent).n_unique().cast(pl.Int64).alias(f"baskets_{days}d"),
        pl.col("discount").filter(is_recent).sum().alias(f"discounts_{days}d"),
    )


def _ratio(numerator: str, denominator: pl.Expr) -> pl.Expr:
    return pl.when(denominator > 0).then(pl.col(numerator) / denominator)
