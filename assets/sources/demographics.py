"""What some households told about themselves."""

import pandera.polars as pa
import polars as pl

from ..authoring import dimension
from ..readers import parquet_folder
from .complete_journey import complete_journey


class Demographics(pa.DataFrameModel):
    """A household that answered; about a third of them did."""

    household_id: int = pa.Field(unique=True)
    age: str
    income: str
    home_ownership: str = pa.Field(nullable=True)
    marital_status: str = pa.Field(nullable=True)
    household_size: str
    household_comp: str
    kids_count: str


@dimension(schema=Demographics, owners=["team:data"])
def demographics() -> pl.LazyFrame:
    """The demographics of households."""
    return parquet_folder(complete_journey("demographics"), schema=Demographics)
