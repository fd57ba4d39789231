"""The gate on the command line: quarantined rows, held partitions, approvals."""

from pathlib import Path

import pytest

from headrace.tests.e2e.homes import ORDERS, PACKAGE, ShopHome, cells, shop_home

pytestmark = pytest.mark.server

LIMIT = "customer_limit:limit"


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    home = shop_home(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("HEADRACE_PACKAGES", f"{PACKAGE} headrace.tests.e2e.guarded_shop")
    return home


def test_refused_rows_are_counted_and_shown_until_they_are_good(shop: ShopHome) -> None:
    shop.write_orders(ORDERS.replace("2,2024-01-02T11:00:00Z,4.0", "2,2024-01-02T11:00:00Z,-4.0"))
    materialize = ("materialize", "customer_spend", "--partitions", "2024-01-02")

    refused = shop.headrace(*materialize)
    found = shop.headrace("quarantine", "customer_spend", "--json").json
    shown = shop.headrace("quarantine", "customer_spend", "--partition", "2024-01-02").out
    described = shop.headrace("describe", "customer_spend")
    status = shop.headrace("status")
    good = shop.headrace("quarantine", "customer_limit")
    other = shop.headrace("quarantine", "customer_spend", "--partition", "2024-01-03")
    shop.write_orders(ORDERS)
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-02")

    assert refused.status == 1
    assert [(each["partition"], each["rows"]) for each in found["partitions"]] == [
        ("2024-01-02", 1)
    ]
    (row,) = found["first_rows"]
    assert (row["customer_id"], row["spend_2d"]) == (2, -4.0)
    assert "greater_than_or_equal_to(0) of spend_2d" in shown
    assert f"1 row of 1; all of them: {found['table']}" in shown
    assert good.out == "nothing of customer_limit is in quarantine\n"
    assert other.out == "nothing of customer_spend, partition 2024-01-03, is in quarantine\n"
    assert "1 row of 1 partition, 2024-01-02\n" in described.out
    assert "offline/customer_spend" in status.out.split("quarantine")[1]


def test_a_held_partition_is_seen_by_nobody_until_it_is_approved(shop: ShopHome) -> None:
    lookup = ("lookup", LIMIT, "customer_id=1", "--json")
    approve = ("approve", "customer_limit", "2024-01-03", "--reason", "as agreed", "--by", "ann")

    made = shop.headrace("materialize", "customer_limit", "--partitions", "2024-01-02..2024-01-03")
    listed = shop.headrace("status", "--json").json["held"]
    before = shop.headrace(*lookup)
    approved = shop.headrace(*approve, "--json")
    found = shop.headrace(*lookup)
    again = shop.headrace(*approve)
    verified = shop.headrace("verify", "customer_limit")
    left = shop.headrace("describe", "customer_limit", "--json").json["held"]

    assert made.status == 0, made.err
    assert made.out.splitlines() == [
        "customer_limit: 0 of 2 partitions committed, 0 rows",
        (
            "2 partitions held for approval (2024-01-02, 2024-01-03):"
            " headrace approve customer_limit@1 --partitions 2024-01-02..2024-01-03 --reason …"
        ),
    ]
    assert [(each["partition"], each["changes"]) for each in listed] == [
        ("2024-01-02", []),
        ("2024-01-03", []),
    ]
    assert before.status != 0 or cells(before, "customer_limit__limit") == [(None, "NOT_FOUND")]
    assert approved.status == 0, approved.err
    assert (approved.json["by"], approved.json["generation"]) == ("ann", 1)
    assert cells(found, "customer_limit__limit") == [(5.0, "PRESENT")]
    assert again.status == 0
    assert "approved already by ann" in again.out
    assert verified.status == 0
    assert [each["partition"] for each in left] == ["2024-01-02"]


def test_several_partitions_are_approved_each_on_its_own(shop: ShopHome) -> None:
    days = ("--partitions", "2024-01-01..2024-01-03")
    shop.headrace("materialize", "customer_limit", *days)
    shop.write_orders(ORDERS.replace("2,2024-01-02T11:00:00Z,4.0", "2,2024-01-02T11:00:00Z,5.0"))
    shop.headrace("materialize", "orders", "--partitions", "2024-01-02")

    approved = shop.headrace("approve", "customer_limit", *days, "--reason", "as agreed")
    left = shop.headrace("describe", "customer_limit", "--json").json

    assert approved.status == 1
    assert [line.split(":")[0] for line in approved.out.splitlines()] == [
        "customer_limit@1, partition 2024-01-01",
        "customer_limit@1, partition 2024-01-03",
    ]
    assert "2024-01-02" in approved.err
    assert "sources/orders" in approved.err
    assert left["committed"] == ["2024-01-01", "2024-01-03"]
    assert [each["partition"] for each in left["held"]] == ["2024-01-02"]


def test_warnings_are_said_wherever_a_group_is_looked_at(shop: ShopHome) -> None:
    shop.write_orders(ORDERS.replace("2,2024-01-02T11:00:00Z,4.0", "2,2024-01-02T11:00:00Z,99.0"))
    warning = "is usual of limit (1×): 2024-01-02"

    made = shop.headrace("materialize", "customer_limit", "--partitions", "2024-01-02")
    waiting = shop.headrace("status").out.split("held for approval")[1]
    shop.headrace("approve", "customer_limit", "2024-01-02", "--reason", "a good customer")
    again = shop.headrace("materialize", "customer_limit", "--partitions", "2024-01-02")
    status = shop.headrace("status").out
    described = shop.headrace("describe", "customer_limit").out

    assert made.status == 0, made.err
    assert warning in waiting
    assert f"warning: {warning}" in again.out
    assert warning in status.split("warning ")[1]
    assert warning in described


def test_what_is_not_held_cannot_be_approved(shop: ShopHome) -> None:
    reason = ("--reason", "as agreed")

    nothing = shop.headrace("approve", "customer_limit", "2024-01-03", *reason)
    shop.headrace("materialize", "customer_limit", "--partitions", "2024-01-03")
    another = shop.headrace("approve", "customer_limit", "2024-01-02", *reason)

    assert (nothing.status, another.status) == (1, 1)
    assert "nothing of the group waits" in nothing.err
    assert "these wait: 2024-01-03" in another.err


def test_a_reason_is_needed(shop: ShopHome) -> None:
    assert shop.headrace("approve", "customer_limit", "2024-01-03", "--reason", " ").status == 2
    assert shop.headrace("approve", "customer_limit", "2024-01-03").status == 2


def test_a_source_is_materialized_by_its_name(shop: ShopHome) -> None:
    made = shop.headrace("materialize", "orders", "--partitions", "2024-01-01..2024-01-02")

    assert made.status == 0, made.err
    assert made.out.startswith("orders: 2 of 2 partitions committed, ")


def test_of_an_authors_error_his_own_lines_are_shown(shop: ShopHome) -> None:
    shop.headrace("materialize", "orders", "--partitions", "2024-01-01")

    failed = [
        shop.headrace("preview", "customer_score", "--partition", "2024-01-01"),
        shop.headrace("materialize", "customer_score", "--partitions", "2024-01-01"),
    ]

    for each in failed:
        assert each.status == 1
        assert each.err.count("\n") == 1
        assert "KeyError: 'unknown' (guarded_shop.py, line " in each.err
        assert each.err.rstrip().endswith(", in customer_score)")
