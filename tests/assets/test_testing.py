"""The helpers with which teams test their feature groups."""

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.authoring import feature_group, same_partition, source, trailing
from headrace.assets.declarations import FeatureGroup
from headrace.assets.feature_groups.household_affinity import household_affinity
from headrace.assets.feature_groups.household_last_basket import household_last_basket
from headrace.assets.feature_groups.household_spend import household_spend
from headrace.assets.feature_groups.household_store import household_store
from headrace.assets.feature_groups.product_popularity import product_popularity
from headrace.assets.testing import check_group, check_lineage
from headrace.contract.errors import (
    ColumnMismatchError,
    HeadraceError,
    InvalidArgumentError,
    LineageDiffersError,
    NotRepeatableError,
    PartitionOutOfRangeError,
    PointInTimeError,
    RowsRefusedError,
    UnknownNameError,
)
from headrace.tests.assets.visits import VISITOR, VisitorRank, VisitorWeek, Visits

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "testing-feature-groups.md"
END = "2024-01-10"
NOONS = [
    {"visitor": 1, "seconds": seconds, "visited_at": f"2024-01-0{day}T12:00"}
    for day, seconds in ((4, 3), (9, 7))
]
SECONDS = pl.col("seconds")


@source(schema=Visits, event_timestamp="visited_at", start="2024-01-01", owners=["team:web"])
def visits(start: datetime, end: datetime) -> pl.LazyFrame:
    """Visits."""
    raise NotImplementedError


def week(function: Callable[..., pl.LazyFrame]) -> FeatureGroup:
    """A function of a week of visits as a feature group."""
    return feature_group(
        entity=VISITOR,
        schema=VisitorWeek,
        sources=[trailing(visits, days=7)],
        ttl=timedelta(days=3),
        owners=["team:web"],
    )(function)


def totals(visits: pl.LazyFrame, seconds: pl.Expr) -> pl.LazyFrame:
    return visits.group_by("visitor").agg(
        visits_7d=pl.len().cast(pl.Int64), seconds_7d=seconds.cast(pl.Float64)
    )


@week
def plain(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.sum())


@week
def two_weeks(visits: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    return totals(visits.filter(pl.col("visited_at") >= end - timedelta(days=14)), SECONDS.sum())


@week
def tomorrow(visits: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    return totals(visits.filter(pl.col("visited_at") < end + timedelta(days=1)), SECONDS.sum())


@week
def three_days(visits: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    recent = pl.col("visited_at").is_between(end - timedelta(days=3), end, closed="left")
    return totals(visits, SECONDS.filter(recent).sum())


@week
def newest(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.sort_by("visited_at").last())


@week
def whichever(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.first())


@week
def on_this_day(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.sum() + 0 * pl.lit(datetime.now(UTC).day))


@week
def since_it_started(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.sum() + 0 * pl.lit(time.monotonic()))


@week
def by_lot(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.sum() + 0 * pl.lit(random.random()))  # noqa: S311 - what it must not


@week
def shuffled(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.shuffle().first())


@week
def drawn(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits, SECONDS.sample(1).first())


@week
def from_a_file(visits: pl.LazyFrame) -> pl.LazyFrame:
    return totals(visits.join(pl.scan_csv(__file__), how="cross"), SECONDS.sum())


def test_the_function_sees_its_window_and_returns_what_would_be_committed() -> None:
    rows = check_group(
        plain,
        end=END,
        visits=[
            {"visitor": 2, "seconds": 1, "visited_at": "2024-01-03T00:00"},
            {"visitor": 1, "seconds": 2.5, "visited_at": datetime(2024, 1, 9, 23, 59)},  # noqa: DTZ001 - as in a test
            {"visitor": 1, "seconds": 4, "visited_at": "2024-01-02T23:59:59"},
            {"visitor": 1, "seconds": 8, "visited_at": "2024-01-10T00:00+00:00"},
        ],
    )

    end = datetime(2024, 1, 10, tzinfo=UTC)
    assert rows.columns == ["visitor", "event_timestamp", "visits_7d", "seconds_7d"]
    assert rows.rows() == [(1, end, 1, 2.5), (2, end, 1, 1.0)]


def test_rows_that_would_not_be_committed_fail_with_the_rule_they_break() -> None:
    with pytest.raises(RowsRefusedError, match=r"greater_than_or_equal_to\(0\) of seconds_7d"):
        check_group(plain, end=END, visits=[{**NOONS[0], "seconds": -1}])


@pytest.mark.parametrize(
    ("group", "error", "said"),
    [
        (two_weeks, PointInTimeError, "reads rows just before the declared one (days=7)"),
        (tomorrow, PointInTimeError, "reads rows just after the declared one (days=7)"),
        (from_a_file, PointInTimeError, "no input, by polars.scan_csv()"),
        (on_this_day, NotRepeatableError, "it asks a clock, by datetime.now()"),
        (since_it_started, NotRepeatableError, "it asks a clock, by monotonic()"),
        (by_lot, NotRepeatableError, "it draws a random number, by Random.random()"),
        (whichever, NotRepeatableError, "something else when rows come in reverse"),
    ],
    ids=lambda value: value.name if isinstance(value, FeatureGroup) else "",
)
def test_what_a_feature_function_must_not_do_fails(
    group: FeatureGroup, error: type[HeadraceError], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        check_group(group, end=END, visits=NOONS)


def test_chance_inside_polars_is_found_by_repeating() -> None:
    many = [{**NOONS[0], "seconds": seconds} for seconds in range(1000)]

    with pytest.raises(NotRepeatableError, match="it computes something else"):
        check_group(shuffled, end=END, visits=many)


def test_a_sample_that_looks_like_another_window_is_blamed_for_its_chance() -> None:
    pair = [{**NOONS[0], "seconds": seconds} for seconds in (1, 2)]

    for _ in range(20):
        with suppress(NotRepeatableError):  # of two rows it may draw the same one every time
            check_group(drawn, end=END, visits=pair)


@pytest.mark.parametrize("end", ["foo", 7])
def test_an_end_that_is_no_instant_is_named(end: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"end: .* is no instant; give a datetime"):
        check_group(plain, end=end, visits=NOONS)  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("group", [plain, three_days, newest], ids=lambda group: str(group.name))
def test_a_function_that_keeps_to_its_window_passes(group: FeatureGroup) -> None:
    """One leaves its window to the platform, one limits it itself, one takes the newest."""
    assert check_group(group, end=END, visits=NOONS).height == 1


@pytest.mark.parametrize(
    "group",
    [
        household_affinity,
        household_last_basket,
        household_spend,
        household_store,
        product_popularity,
    ],
    ids=lambda group: str(group.name),
)
def test_the_demonstrations_groups_pass(group: FeatureGroup) -> None:
    item = {"household_id": 1, "store_id": 3, "week": 5, "retail_disc": 0.5, "quantity": 1}
    transactions = [
        {**item, "basket_id": basket, "product_id": product, "sales_value": value, **at}
        for basket, product, value, at in (
            (1, 10, 1.5, {"transaction_timestamp": "2017-12-31T10:00"}),
            (2, 11, 2.5, {"transaction_timestamp": "2017-12-31T10:00"}),
            (2, 10, 3.0, {"transaction_timestamp": "2017-12-31T10:00", "household_id": 2}),
            (3, 11, 0.1, {"transaction_timestamp": "2017-12-20T10:00"}),
        )
    ]
    products = [
        {"product_id": 10, "department": "DELI", "brand": "Private"},
        {"product_id": 11, "department": "MEAT", "brand": "National"},
    ]
    given = {"transactions": transactions, "products": products}
    wanted = {each.name: given[each.name] for each in group.inputs}

    assert check_group(group, end="2018-01-01", **wanted).height > 0


def test_rows_of_another_group_are_those_of_its_newest_partition_unless_they_say_otherwise() -> (
    None
):
    @feature_group(
        entity=VISITOR,
        schema=VisitorRank,
        sources=[same_partition(plain)],
        ttl=timedelta(days=3),
        owners=["team:web"],
    )
    def rank(plain: pl.LazyFrame) -> pl.LazyFrame:
        return plain.select("visitor", rank=pl.col("visits_7d"))

    rows = check_group(
        rank,
        end=END,
        plain=[
            {"visitor": 1, "visits_7d": 3},
            {"visitor": 2, "visits_7d": 5, "event_timestamp": "2024-01-09"},
        ],
    )

    assert rows.select("visitor", "rank").rows() == [(1, 3)]


def test_a_frame_is_taken_as_it_is_and_an_input_left_out_is_empty() -> None:
    frame = pl.DataFrame(NOONS).with_columns(
        pl.col("visited_at").str.to_datetime(time_zone="UTC"), pl.col("seconds").cast(pl.Float64)
    )

    assert check_group(plain, end=END, visits=frame)["seconds_7d"].to_list() == [10.0]
    assert check_group(plain, end=END).height == 0


@pytest.mark.parametrize(
    ("end", "inputs", "error", "said"),
    [
        (END, {"visit": NOONS}, UnknownNameError, "no input of 'plain' 'visit'; did you mean"),
        (END, {"visits": [{"second": 1}]}, UnknownNameError, "did you mean 'seconds'"),
        (END, {"visits": [{"seconds": 1}]}, InvalidArgumentError, "has no `visited_at`"),
        (END, {"visits": [{**NOONS[0], "visitor": "a"}]}, ColumnMismatchError, "sources/visits"),
        (
            END,
            {"visits": pl.DataFrame({"seconds": ["1"]})},
            ColumnMismatchError,
            "'seconds' is String, expected Float64",
        ),
        ("2024-01-10T12:00", {}, InvalidArgumentError, "no DAILY partition ends at"),
        ("2024-01-01", {}, PartitionOutOfRangeError, "'plain' has no partition '2023-12-31'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_with_it(
    end: str, inputs: Mapping[str, object], error: type[HeadraceError], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        check_group(plain, end=end, **inputs)  # type: ignore[arg-type]  # wrong on purpose


def test_lineage_is_compared_for_the_features_that_are_named() -> None:
    check_lineage(three_days, {"seconds_7d": ["visits.seconds", "visits.visited_at"]})

    with pytest.raises(
        LineageDiffersError,
        match=r"seconds_7d is computed from visits.seconds, not visits.page; "
        r"visits_7d is computed from nothing, not visits.page",
    ):
        check_lineage(plain, {"seconds_7d": ["visits.page"], "visits_7d": ["visits.page"]})
    with pytest.raises(UnknownNameError, match="did you mean 'seconds_7d'"):
        check_lineage(plain, {"seconds_8d": []})


def test_the_how_tos_snippet_runs(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_customer_orders.py").write_text(snippet)

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "3 passed" in ended.stdout, ended.stdout
