from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from headrace.assets.feature_groups.household_last_basket import household_last_basket
from headrace.tests.assets.feature_groups.transactions import END, line_items
from headrace.tests.assets.real_rows import cents, computed, inputs_of


def test_the_newest_basket_counts_and_its_time_is_the_event_timestamp() -> None:
    late, early = END - timedelta(hours=1), END - timedelta(hours=2)
    transactions = line_items(
        {"basket_id": 2, "store_id": 20, "transaction_timestamp": early, "sales_value": 9.0},
        {"basket_id": 1, "store_id": 10, "transaction_timestamp": late, "product_id": 1},
        {"basket_id": 1, "store_id": 10, "transaction_timestamp": late, "product_id": 2},
        {"basket_id": 1, "store_id": 10, "transaction_timestamp": late, "product_id": 2},
    )

    rows = household_last_basket(transactions=transactions, end=END).collect()

    assert rows.rows() == [(1, late, 3.0, 2, 10)]


def test_of_two_baskets_at_one_instant_the_greater_id_counts() -> None:
    transactions = line_items(
        {"basket_id": 8, "store_id": 10, "sales_value": 5.0},
        {"basket_id": 9, "store_id": 20, "sales_value": 1.0},
    )

    for rows in (transactions, transactions.reverse()):
        last = household_last_basket(transactions=rows, end=END).collect()
        assert last.select("value", "store_id").rows() == [(1.0, 20)]


@pytest.mark.parametrize("partition", ["2017-01-02", "2017-11-23", "2018-01-01"])
def test_real_rows_equal_a_naive_loop(partition: str) -> None:
    baskets: dict[int, dict[tuple[Any, int], list[dict[str, Any]]]] = defaultdict(dict)
    for line in inputs_of(household_last_basket, partition)["transactions"].iter_rows(named=True):
        basket = line["transaction_timestamp"], line["basket_id"]
        baskets[line["household_id"]].setdefault(basket, []).append(line)

    rows = computed(household_last_basket, partition).rows()

    assert rows == [
        (
            household,
            newest[0],
            sum(cents(line["sales_value"]) for line in baskets[household][newest]) / 100,
            len({line["product_id"] for line in baskets[household][newest]}),
            baskets[household][newest][0]["store_id"],
        )
        for household in sorted(baskets)
        for newest in [max(baskets[household])]
    ]
