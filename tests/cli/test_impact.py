"""`headrace impact`: what a column feeds, for people and for programs."""

from pathlib import Path

import pytest

from headrace.tests.e2e.homes import ShopHome, shop_home


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    return shop_home(tmp_path, monkeypatch, capsys)


def test_a_raw_column_is_followed_to_features_and_services_without_anything_computed(
    shop: ShopHome,
) -> None:
    found = shop.headrace("impact", "orders.amount", "--json").json

    assert found["column"] == "sources/orders.amount"
    assert {each["feature"]: each["touch"] for each in found["features"]} == {
        "customer_spend@1:spend_2d": "direct",
        "customer_spend@1:mean_order_2d": "direct",
        "customer_last_order@1:amount": "direct",
    }
    assert found["features"][0]["path"] == [
        "sources/orders.amount",
        "offline/customer_spend.spend_2d",
    ]
    assert [
        (each["name"], each["touch"], len(each["features"]), each["owners"])
        for each in found["feature_services"]
    ] == [("shop_model", "direct", 3, ["team:shop"])]


def test_a_key_touches_by_deciding_rows(shop: ShopHome) -> None:
    found = shop.headrace("impact", "sources/orders.customer_id", "--json").json

    assert {each["touch"] for each in found["features"]} == {"rows"}


@pytest.mark.parametrize("asked", ["household_spend.spend_30d", "household_spend@1:spend_30d"])
def test_a_feature_is_followed_to_training_sets_and_services(shop: ShopHome, asked: str) -> None:
    found = shop.headrace("impact", asked, "--json").json

    assert found["features"] == []
    assert found["training_sets"][0]["columns"][0] == {
        "column": "household_spend__spend_30d",
        "touch": "direct",
        "path": [
            "offline/household_spend.spend_30d",
            "training_sets/coupon_redemption.household_spend__spend_30d",
        ],
    }
    assert [each["name"] for each in found["feature_services"]] == ["coupon_redemption"]


def test_people_read_how_many_are_touched_and_by_which_path(shop: ShopHome) -> None:
    lines = shop.headrace("impact", "orders.amount").out.splitlines()

    assert lines[0] == "sources/orders.amount touches 3 features, 1 feature service"
    assert any("orders.amount → offline/customer_last_order.amount" in line for line in lines)
    assert lines[-1].split() == [
        "shop_model",
        "direct",
        "3,",
        "3",
        "of",
        "them",
        "directly",
        "team:shop",
    ]


def test_a_column_that_feeds_nothing_says_so(shop: ShopHome) -> None:
    shown = shop.headrace("impact", "redemptions.campaign_id")

    assert (shown.status, shown.out.strip()) == (
        0,
        "sources/redemptions.campaign_id touches no feature, training set or feature service",
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("orders.amuont", "no column 'orders.amuont'; did you mean 'orders.amount'"),
        ("order.amount", "no source, dimension, feature group or training set 'order'; did you"),
        ("customer_spend@9.spend_2d", "no feature group 'customer_spend@9'"),
        ("amount", "'amount' names no column of anything"),
    ],
)
def test_an_unknown_name_gives_the_nearest_ones(shop: ShopHome, asked: str, said: str) -> None:
    answer = shop.headrace("impact", asked)

    assert answer.status == 2
    assert said in answer.err


def test_describe_leads_from_a_feature_to_its_raw_columns(shop: ShopHome) -> None:
    described = shop.headrace("describe", "customer_spend", "--json").json

    assert described["origins"]["spend_2d"] == [
        {
            "column": "sources/orders.amount",
            "touch": "direct",
            "path": ["offline/customer_spend.spend_2d", "sources/orders.amount"],
        },
        {
            "column": "sources/orders.customer_id",
            "touch": "rows",
            "path": ["offline/customer_spend.spend_2d", "sources/orders.customer_id"],
        },
    ]
