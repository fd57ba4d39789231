"""What a household buys."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from ..authoring import feature_group, trailing
from ..entities import HOUSEHOLD
from ..money import cents
from ..sources.products import products
from ..sources.transactions import transactions

DEPARTMENTS = (
    "GROCERY",
    "DRUG GM",
    "FUEL",
    "PRODUCE",
    "MEAT",
    "MEAT-PCKGD",
    "DELI",
    "PASTRY",
    "NUTRITION",
    "SEAFOOD-PCKGD",
    "FLORAL",
    "COSMETICS",
)
"""The order of `department_shares_30d`; its last share, one more, is that of all others."""

OTHERS = "OTHERS"


class HouseholdAffinity(pa.DataFrameModel):
    """One row per household with a purchase in the 30 days before the event timestamp."""

    household_id: int
    department_shares_30d: list[float] = pa.Field(
        nullable=True,
        description=f"Shares of {', '.join(DEPARTMENTS)} and all others, in this order, in what "
        "was spent in 30 days; null when that is nothing.",
    )
    favourite_department_30d: str = pa.Field(
        nullable=True,
        description="Where most was spent in 30 days, the first by name among equals; null when "
        "nothing was, or when nobody knows the department.",
    )


@feature_group(
    entity=HOUSEHOLD,
    schema=HouseholdAffinity,
    sources=[trailing(transactions, days=30), products],
    ttl=timedelta(days=7),
    owners=["team:growth"],
)
def household_affinity(transactions: pl.LazyFrame, products: pl.LazyFrame) -> pl.LazyFrame:
    """How a household's spend of a month is spread over departments."""
    by_department = (
        transactions.join(products.select("product_id", "department"), on="product_id", how="left")
        .group_by("household_id", "department")
        .agg(spend=cents("sales_value").sum())
    )
    is_listed = pl.col("department").is_in(DEPARTMENTS)
    slot = pl.when(is_listed).then("department").otherwise(pl.lit(OTHERS))
    is_bought = (pl.col("spend") > 0) & pl.col("department").is_not_null()
    # The greatest spend wins, then the first name: sort_by is stable, and both orders are total.
    favourite = (
        pl.col("department")
        .filter(is_bought)
        .sort_by(
            pl.col("spend").filter(is_bought),
            pl.col("department").filter(is_bought),
            descending=[True, False],
        )
        .first()
    )
    total = pl.col("total")
    return (
        by_department.with_columns(slot=slot)
        .group_by("household_id")
        .agg(
            *(
                pl.col("spend").filter(pl.col("slot") == name).sum().alias(name)
                for name in (*DEPARTMENTS, OTHERS)
            ),
            total=pl.col("spend").sum(),
            favourite_department_30d=favourite,
        )
        .select(
            "household_id",
            department_shares_30d=pl.when(total > 0).then(
                pl.concat_list(pl.col(name) / total for name in (*DEPARTMENTS, OTHERS))
            ),
            favourite_department_30d="favourite_department_30d",
        )
    )
