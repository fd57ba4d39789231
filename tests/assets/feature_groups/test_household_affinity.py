from collections import defaultdict

import pytest

from headrace.assets.feature_groups.household_affinity import DEPARTMENTS, household_affinity
from headrace.tests.assets.feature_groups.transactions import END, line_items, listed
from headrace.tests.assets.real_rows import cents, computed, inputs_of


def test_shares_stand_in_the_documented_order_and_the_last_is_of_all_others() -> None:
    transactions = line_items(
        {"product_id": 1, "sales_value": 5.0},
        {"product_id": 2, "sales_value": 2.0},
        {"product_id": 3, "sales_value": 2.0},
        {"product_id": 4, "sales_value": 1.0},
    )
    products = listed(p1="GROCERY", p2="DELI", p3="TOYS")

    rows = household_affinity(transactions=transactions, products=products, end=END).collect()

    shares = dict(zip((*DEPARTMENTS, "others"), rows["department_shares_30d"][0], strict=True))
    assert {name: share for name, share in shares.items() if share} == {
        "GROCERY": 0.5,
        "DELI": 0.2,
        "others": 0.3,
    }
    assert rows["favourite_department_30d"].to_list() == ["GROCERY"]


def test_the_favourite_of_equals_is_the_first_by_name() -> None:
    transactions = line_items({"product_id": 1}, {"product_id": 2}, {"product_id": 3})
    products = listed(p1="SEAFOOD", p2="DELI", p3="MEAT")

    rows = household_affinity(transactions=transactions, products=products, end=END).collect()

    assert rows["favourite_department_30d"].to_list() == ["DELI"]


def test_who_spent_nothing_has_neither_shares_nor_a_favourite() -> None:
    transactions = line_items({"product_id": 1, "sales_value": 0.0})

    rows = household_affinity(
        transactions=transactions, products=listed(p1="DELI"), end=END
    ).collect()

    assert rows.rows() == [(1, None, None)]


def test_a_product_that_nobody_lists_is_nobodys_favourite() -> None:
    rows = household_affinity(
        transactions=line_items({"product_id": 1}), products=listed(), end=END
    ).collect()

    assert rows.rows() == [(1, [0.0] * len(DEPARTMENTS) + [1.0], None)]


@pytest.mark.parametrize("partition", ["2017-01-02", "2017-12-25", "2018-01-01"])
def test_real_rows_equal_a_naive_loop(partition: str) -> None:
    frames = inputs_of(household_affinity, partition)
    department = dict(frames["products"].select("product_id", "department").iter_rows())
    spend: dict[int, dict[str | None, int]] = defaultdict(lambda: defaultdict(int))
    for line in frames["transactions"].iter_rows(named=True):
        where = department.get(line["product_id"])
        spend[line["household_id"]][where] += cents(line["sales_value"])

    rows = computed(household_affinity, partition).rows()

    assert rows == [(key, *_naive(spend[key])) for key in sorted(spend)]


def _naive(spend: dict[str | None, int]) -> tuple[list[float] | None, str | None]:
    total = sum(spend.values())
    known = [(-amount, name) for name, amount in spend.items() if name and amount]
    favourite = min(known)[1] if known else None
    if total == 0:
        return None, favourite
    others = total - sum(spend.get(name, 0) for name in DEPARTMENTS)
    return [*(spend.get(name, 0) / total for name in DEPARTMENTS), others / total], favourite
