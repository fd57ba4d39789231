"""Does a household redeem a coupon in the next 7 days?"""

from datetime import datetime, timedelta

import polars as pl

from .. import services
from ..authoring import trailing, training_set
from ..feature_groups.household_spend import household_spend
from ..sources.redemptions import redemptions

HORIZON = timedelta(days=7)


@training_set(
    service=services.coupon_redemption,
    sources=[
        trailing(redemptions, days=HORIZON.days),
        trailing(household_spend, days=HORIZON.days + 1),
    ],
    owners=["team:growth"],
)
def coupon_redemption(
    redemptions: pl.LazyFrame, household_spend: pl.LazyFrame, end: datetime
) -> pl.LazyFrame:
    """One row per household that was active 7 days before `end`, and whether it redeemed since.

    Active is who had a row in `household_spend` then: nobody is chosen by what happened later.
    """
    active = household_spend.filter(pl.col("event_timestamp") == end - HORIZON)
    redeemed = redemptions.select("household_id").unique().with_columns(redeems_7d=True)
    return (
        active.select("household_id", "event_timestamp")
        .join(redeemed, on="household_id", how="left")
        .with_columns(pl.col("redeems_7d").fill_null(value=False))
        .sort("household_id")
    )
