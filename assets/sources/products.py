"""What stores sell."""

import pandera.polars as pa
import polars as pl

from ..authoring import dimension
from ..readers import parquet_folder
from .complete_journey import complete_journey


class Products(pa.DataFrameModel):
    """A product; some that were sold are not listed."""

    product_id: int = pa.Field(unique=True)
    manufacturer_id: int
    department: str
    brand: str = pa.Field(isin=["National", "Private"])
    product_category: str = pa.Field(nullable=True)
    product_type: str = pa.Field(nullable=True)
    package_size: str = pa.Field(nullable=True)


@dimension(schema=Products, owners=["team:data"])
def products() -> pl.LazyFrame:
    """All products."""
    return parquet_folder(complete_journey("products"), schema=Products)
