from bisect import bisect_right, insort
from collections import defaultdict

import pytest

from headrace.assets.feature_groups.product_popularity import product_popularity
from headrace.tests.assets.feature_groups.transactions import END, line_items, listed
from headrace.tests.assets.real_rows import cents, computed, inputs_of


def test_baskets_and_households_count_once() -> None:
    transactions = line_items(
        {"household_id": 1, "basket_id": 1, "quantity": 2, "sales_value": 0.7},
        {"household_id": 1, "basket_id": 1, "quantity": 1, "sales_value": 0.1},
        {"household_id": 1, "basket_id": 2, "quantity": 0, "sales_value": 0.0},
        {"household_id": 2, "basket_id": 3},
    )

    rows = product_popularity(
        transactions=transactions, products=listed(p1000="DELI"), end=END
    ).collect()

    assert rows.rows() == [(1000, 4, 1.8, 3, 2, 1)]


def test_equals_share_the_best_rank_of_their_department() -> None:
    transactions = line_items(
        {"product_id": 1, "household_id": 1},
        {"product_id": 1, "household_id": 2},
        {"product_id": 2},
        {"product_id": 3},
        {"product_id": 4},
        {"product_id": 5},
    )
    products = listed(p1="DELI", p2="DELI", p3="DELI", p4="MEAT")

    rows = product_popularity(transactions=transactions, products=products, end=END).collect()

    ranks = dict(rows.select("product_id", "department_rank_7d").iter_rows())
    assert ranks == {1: 1, 2: 2, 3: 2, 4: 1, 5: None}


def beaten_by(ascending: list[int], count: int) -> int:
    return len(ascending) - bisect_right(ascending, count)


@pytest.mark.parametrize("partition", ["2017-01-02", "2017-12-25", "2018-01-01"])
def test_real_rows_equal_a_naive_loop(partition: str) -> None:
    frames = inputs_of(product_popularity, partition)
    department = dict(frames["products"].select("product_id", "department").iter_rows())
    units: dict[int, int] = defaultdict(int)
    sales: dict[int, int] = defaultdict(int)
    baskets, households = defaultdict(set), defaultdict(set)
    for line in frames["transactions"].iter_rows(named=True):
        product = line["product_id"]
        units[product] += line["quantity"]
        sales[product] += cents(line["sales_value"])
        baskets[product].add(line["basket_id"])
        households[product].add(line["household_id"])
    counts: dict[str, list[int]] = defaultdict(list)
    for product, buyers in households.items():
        insort(counts[department.get(product, "")], len(buyers))

    rows = computed(product_popularity, partition).rows()

    assert rows == [
        (
            product,
            units[product],
            sales[product] / 100,
            len(baskets[product]),
            len(households[product]),
            1 + beaten_by(counts[department[product]], len(households[product]))
            if product in department
            else None,
        )
        for product in sorted(units)
    ]
