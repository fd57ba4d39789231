from datetime import datetime, timedelta
from typing import Any

import pytest

from headrace.assets.feature_groups.household_spend import household_spend
from headrace.tests.assets.feature_groups.transactions import END, line_items, listed
from headrace.tests.assets.real_rows import cents, computed, end_of, inputs_of


def test_windows_hold_their_start_and_end_before_the_event_timestamp() -> None:
    transactions = line_items(
        {"basket_id": 1, "sales_value": 1.0, "transaction_timestamp": END - timedelta(days=1)},
        {
            "basket_id": 2,
            "sales_value": 10.0,
            "transaction_timestamp": END - timedelta(days=1, seconds=1),
        },
        {"basket_id": 3, "sales_value": 100.0, "transaction_timestamp": END - timedelta(days=7)},
        {"basket_id": 4, "sales_value": 1000.0, "transaction_timestamp": END - timedelta(days=30)},
    )

    (row,) = (
        household_spend(transactions=transactions, products=listed(), end=END)
        .collect()
        .rows(named=True)
    )

    assert (row["spend_1d"], row["spend_7d"], row["spend_30d"]) == (1.0, 111.0, 1111.0)
    assert (row["baskets_1d"], row["baskets_7d"], row["baskets_30d"]) == (1, 3, 4)
    assert row["mean_basket_7d"] == 37.0


def test_discounts_are_of_every_kind_and_shares_of_private_labels() -> None:
    transactions = line_items(
        {"product_id": 2, "sales_value": 0.1, "retail_disc": 0.1, "coupon_disc": 0.2},
        {"product_id": 3, "sales_value": 0.2, "coupon_match_disc": 0.3},
        {"product_id": 4, "sales_value": 0.1},
    )

    (row,) = (
        household_spend(transactions=transactions, products=listed(p2="DELI", p3="DELI"), end=END)
        .collect()
        .rows(named=True)
    )

    assert row["discounts_1d"] == row["discounts_30d"] == 0.6
    assert row["private_label_share_30d"] == 0.25
    assert (row["spend_1d"], row["baskets_1d"]) == (0.4, 1)


def test_what_would_divide_by_nothing_is_null() -> None:
    transactions = line_items(
        {"sales_value": 0.0, "transaction_timestamp": END - timedelta(days=10)}
    )

    (row,) = (
        household_spend(transactions=transactions, products=listed(), end=END)
        .collect()
        .rows(named=True)
    )

    assert (row["mean_basket_7d"], row["private_label_share_30d"]) == (None, None)
    assert row["baskets_30d"] == 1


@pytest.mark.parametrize("partition", ["2017-01-02", "2017-12-25", "2018-01-01"])
def test_real_rows_equal_a_naive_loop(partition: str) -> None:
    end = end_of(household_spend, partition)
    frames = inputs_of(household_spend, partition)
    private = set(frames["products"].filter(brand="Private")["product_id"])
    lines: dict[int, list[dict[str, Any]]] = {}
    for line in frames["transactions"].iter_rows(named=True):
        lines.setdefault(line["household_id"], []).append(line)

    rows = computed(household_spend, partition).rows(named=True)

    assert rows == [_naive(key, lines[key], end, private) for key in sorted(lines)]


def _naive(
    household: int, lines: list[dict[str, Any]], end: datetime, private: set[int]
) -> dict[str, Any]:
    row: dict[str, Any] = {"household_id": household}
    recent = {
        days: [line for line in lines if line["transaction_timestamp"] >= end - timedelta(days)]
        for days in (1, 7, 30)
    }
    spend = {days: _cents(each, "sales_value") for days, each in recent.items()}
    baskets = {days: len({line["basket_id"] for line in each}) for days, each in recent.items()}
    for days in recent:
        row[f"spend_{days}d"] = spend[days] / 100
    for days in recent:
        row[f"baskets_{days}d"] = baskets[days]
    for days, each in recent.items():
        kinds = ("retail_disc", "coupon_disc", "coupon_match_disc")
        row[f"discounts_{days}d"] = sum(_cents(each, kind) for kind in kinds) / 100
    row["mean_basket_7d"] = spend[7] / (baskets[7] * 100) if baskets[7] else None
    own = _cents([line for line in lines if line["product_id"] in private], "sales_value")
    row["private_label_share_30d"] = own / spend[30] if spend[30] else None
    return row


def _cents(lines: list[dict[str, Any]], column: str) -> int:
    return sum(cents(line[column]) for line in lines)
