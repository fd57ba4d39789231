from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.assets.feature_groups.household_spend import household_spend
from headrace.assets.sources.redemptions import redemptions
from headrace.assets.training_sets.coupon_redemption import coupon_redemption
from headrace.tests.assets.real_rows import computed

END = datetime(2017, 6, 10, tzinfo=UTC)
AT = END - timedelta(days=7)


def spend_rows(*rows: tuple[int, datetime]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"household_id": key, "event_timestamp": at} for key, at in rows],
        schema={"household_id": pl.Int64, "event_timestamp": pl.Datetime("us", "UTC")},
    )


def redeemed(*rows: tuple[int, datetime]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"household_id": key, "coupon_upc": 1, "campaign_id": 1, "redemption_date": at}
            for key, at in rows
        ],
        schema=dict(redemptions.columns),
    )


def test_a_label_says_who_redeemed_in_the_days_after_the_spines_time() -> None:
    spine = coupon_redemption(
        household_spend=spend_rows((1, AT), (2, AT)),
        redemptions=redeemed((2, AT), (2, END - timedelta(days=1)), (3, AT)),
        end=END,
    )

    assert spine.collect().rows(named=True) == [
        {"household_id": 1, "event_timestamp": AT, "redeems_7d": False},
        {"household_id": 2, "event_timestamp": AT, "redeems_7d": True},
    ]


def test_nobody_enters_the_spine_by_what_happened_later() -> None:
    later = AT + timedelta(days=1)

    spine = coupon_redemption(
        household_spend=spend_rows((1, AT), (2, later)), redemptions=redeemed(), end=END
    )

    assert spine.collect()["household_id"].to_list() == [1]


def test_the_inputs_reach_from_the_spines_time_to_the_end_of_the_partition() -> None:
    windows = {each.input.name: each for each in coupon_redemption.input_windows("2017-06-09")}

    assert windows["redemptions"].window.start == AT
    assert windows["household_spend"].partitions[0] == "2017-06-02"  # its rows are stamped AT
    assert {each.window.end for each in windows.values()} == {END}


def test_a_real_partition_equals_a_naive_loop() -> None:
    partition = household_spend.partitions.key(AT - timedelta(days=1))
    active = computed(household_spend, partition).with_columns(event_timestamp=pl.lit(AT))
    in_window = redemptions(AT, END).collect()

    spine = coupon_redemption(household_spend=active, redemptions=in_window, end=END).collect()

    redeeming = set(in_window["household_id"])
    assert spine["household_id"].to_list() == sorted(active["household_id"])
    assert spine["redeems_7d"].to_list() == [key in redeeming for key in spine["household_id"]]
    assert 0 < spine["redeems_7d"].sum() < 100
