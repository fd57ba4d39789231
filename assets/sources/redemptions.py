"""Which coupons households redeemed."""

from datetime import datetime

import pandera.polars as pa
import polars as pl

from ..authoring import EventTimestamp, source
from ..readers import parquet_folder
from .complete_journey import complete_journey


class Redemptions(pa.DataFrameModel):
    """A coupon that a household redeemed on a day."""

    household_id: int
    coupon_upc: int
    campaign_id: int
    redemption_date: EventTimestamp = pa.Field(description="The day, as its first instant in UTC.")


@source(
    schema=Redemptions,
    event_timestamp="redemption_date",
    start="2017-01-01",
    owners=["team:data"],
)
def redemptions(start: datetime, end: datetime) -> pl.LazyFrame:
    """Redemptions with start <= redemption_date < end."""
    return parquet_folder(
        complete_journey("coupon_redemptions"),
        schema=Redemptions,
        event_timestamp="redemption_date",
        start=start,
        end=end,
    )
