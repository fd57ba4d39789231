from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from headrace.assets.feature_groups.household_store import household_store
from headrace.tests.assets.feature_groups.transactions import END, line_items
from headrace.tests.assets.real_rows import cents, computed, end_of, inputs_of

DAY_US = 86_400_000_000


def test_a_visit_is_a_basket_in_a_store() -> None:
    transactions = line_items(
        {"store_id": 10, "basket_id": 1, "transaction_timestamp": END - timedelta(days=9)},
        {"store_id": 10, "basket_id": 1, "transaction_timestamp": END - timedelta(days=9)},
        {"store_id": 10, "basket_id": 2, "transaction_timestamp": END - timedelta(days=6)},
        {"store_id": 10, "basket_id": 3, "transaction_timestamp": END - timedelta(hours=47)},
        {"store_id": 20, "basket_id": 4, "transaction_timestamp": END - timedelta(seconds=1)},
    )

    rows = household_store(transactions=transactions, end=END).collect().sort("store_id")

    assert rows.rows() == [
        (1, 10, 3, 4.0, 0.75, 1, (9 - 47 / 24) / 2),
        (1, 20, 1, 1.0, 0.25, 0, None),
    ]


@pytest.mark.parametrize("partition", ["2017-01-02", "2017-12-25", "2018-01-01"])
def test_real_rows_equal_a_naive_loop(partition: str) -> None:
    end = end_of(household_store, partition)
    baskets: dict[tuple[int, int], set[int]] = defaultdict(set)
    times: dict[tuple[int, int], list[datetime]] = defaultdict(list)
    spend: dict[tuple[int, int], int] = defaultdict(int)
    for line in inputs_of(household_store, partition)["transactions"].iter_rows(named=True):
        key = line["household_id"], line["store_id"]
        baskets[key].add(line["basket_id"])
        times[key].append(line["transaction_timestamp"])
        spend[key] += cents(line["sales_value"])
    visits: dict[int, int] = defaultdict(int)
    for (household, _), each in baskets.items():
        visits[household] += len(each)

    rows = computed(household_store, partition).rows()

    assert rows == [
        (
            *key,
            len(baskets[key]),
            spend[key] / 100,
            len(baskets[key]) / visits[key[0]],
            (end - max(times[key])).days,
            (max(times[key]) - min(times[key]))
            // timedelta(microseconds=1)
            / ((len(baskets[key]) - 1) * DAY_US)
            if len(baskets[key]) > 1
            else None,
        )
        for key in sorted(baskets)
    ]
