"""How well a product sells."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from ..authoring import feature_group, trailing
from ..entities import PRODUCT
from ..money import cents, dollars
from ..sources.products import products
from ..sources.transactions import transactions


class ProductPopularity(pa.DataFrameModel):
    """One row per product that was sold in the 7 days before the event timestamp."""

    product_id: int
    units_7d: int = pa.Field(ge=0, description="Units sold in 7 days.")
    sales_7d: float = pa.Field(ge=0, description="Dollars that stores received in 7 days.")
    baskets_7d: int = pa.Field(ge=1, description="Baskets that held it in 7 days.")
    households_7d: int = pa.Field(ge=1, description="Households that bought it in 7 days.")
    department_rank_7d: int = pa.Field(
        ge=1,
        nullable=True,
        description="Its place by households among the department's products that were sold, equals"
        " sharing the best place; null when nobody knows the department.",
    )


@feature_group(
    entity=PRODUCT,
    schema=ProductPopularity,
    sources=[trailing(transactions, days=7), products],
    ttl=timedelta(days=7),
    owners=["team:assortment"],
)
def product_popularity(transactions: pl.LazyFrame, products: pl.LazyFrame) -> pl.LazyFrame:
    """Sales of a product over the trailing week, and its place in the department."""
    rank = pl.col("households_7d").rank("min", descending=True).over("department").cast(pl.Int64)
    return (
        transactions.group_by("product_id")
        .agg(
            units_7d=pl.col("quantity").sum(),
            sales_7d=dollars(cents("sales_value").sum()),
            baskets_7d=pl.col("basket_id").n_unique().cast(pl.Int64),
            households_7d=pl.col("household_id").n_unique().cast(pl.Int64),
        )
        .join(products.select("product_id", "department"), on="product_id", how="left")
        .with_columns(
            department_rank_7d=pl.when(pl.col("department").is_not_null()).then(rank),
        )
        .drop("department")
    )
