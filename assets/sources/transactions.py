"""What households bought: one row per basket and product."""

from datetime import datetime

import pandera.polars as pa
import polars as pl

from ..authoring import EventTimestamp, source
from ..readers import parquet_folder
from .complete_journey import complete_journey


class Transactions(pa.DataFrameModel):
    """A line item; all line items of a basket bear the basket's time."""

    household_id: int
    store_id: int
    basket_id: int
    product_id: int
    quantity: int = pa.Field(ge=0, description="Units; of fuel, a number in the thousands.")
    sales_value: float = pa.Field(ge=0, description="Dollars that the store receives.")
    retail_disc: float = pa.Field(ge=0, description="Dollars off by the loyalty card.")
    coupon_disc: float = pa.Field(ge=0, description="Dollars off by a manufacturer's coupon.")
    coupon_match_disc: float = pa.Field(ge=0, description="Dollars off by matching that coupon.")
    week: int = pa.Field(ge=1, le=53)
    transaction_timestamp: EventTimestamp


@source(
    schema=Transactions,
    event_timestamp="transaction_timestamp",
    start="2017-01-01",
    owners=["team:data"],
)
def transactions(start: datetime, end: datetime) -> pl.LazyFrame:
    """Line items with start <= transaction_timestamp < end, to the second."""
    return parquet_folder(
        complete_journey("transactions"),
        schema=Transactions,
        event_timestamp="transaction_timestamp",
        start=start,
        end=end,
    )
