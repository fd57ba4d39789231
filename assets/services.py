"""What models read."""

from .authoring import feature_service
from .feature_groups.household_affinity import household_affinity
from .feature_groups.household_last_basket import household_last_basket
from .feature_groups.household_spend import household_spend

coupon_redemption = feature_service(
    "coupon_redemption",
    features=[
        household_spend["spend_7d"],
        household_spend["spend_30d"],
        household_spend["baskets_7d"],
        household_spend["baskets_30d"],
        household_spend["discounts_30d"],
        household_spend["mean_basket_7d"],
        household_spend["private_label_share_30d"],
        household_affinity,
        household_last_basket["value"],
        household_last_basket["items"],
    ],
    owners=["team:growth"],
    description="Whether a household will redeem a coupon within 7 days.",
)
