"""The cases by which other feature stores are tested in public, said in our terms.

When a row was created is here when it was committed, and "created by then" is `known_at`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.assets.point_in_time import OfflineStore, training_frame
from headrace.contract.feature_group import FeatureGroupSpec
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.laws.committing import empty_store
from headrace.tests.resources.offline.tables import (
    DAY,
    LAST_BASKET,
    MICROSECOND,
    SPEND,
    START,
    commit,
    end,
    snapshot_rows,
    upsert_rows,
)

Rows = Mapping[int, float]


@pytest.fixture
def store() -> Iterator[OfflineStore]:
    with empty_store() as made:
        yield made


def day_of_snapshots(number: int, amounts: Rows) -> pl.DataFrame:
    return snapshot_rows(number, amounts)


def day_of_upserts(number: int, amounts: Rows) -> pl.DataFrame:
    """Amounts that became true at the day's noon."""
    noon = end(number) - DAY / 2
    return upsert_rows(*((driver, noon, amount) for driver, amount in amounts.items()))


BOTH = pytest.mark.parametrize(
    ("group", "rows"), [(SPEND, day_of_snapshots), (LAST_BASKET, day_of_upserts)]
)


def known(
    store: OfflineStore,
    group: FeatureGroupSpec,
    asked: list[tuple[int, datetime]],
    known_at: datetime | None = None,
) -> list[float | None]:
    schema = {"household_id": pl.Int64(), "event_timestamp": pl.Datetime("us", "UTC")}
    spine = pl.DataFrame(asked, schema=schema, orient="row")
    frame, _ = training_frame(spine, [f"{group.name}:amount"], store, known_at)
    return frame[f"{group.name}__amount"].to_list()


def test_backfilled_rows_win_only_against_rows_of_their_own_event_time(store: OfflineStore) -> None:
    """1001: 10, later 20 of the same event time: 20. 1002: 40, later 30 of an older one: 40."""
    table = store.table(feature_table(LAST_BASKET))
    now, tomorrow = START, START + DAY
    commit(table, 0, upsert_rows((1001, now, 10.0)))
    created_now = commit(table, 1, upsert_rows((1002, tomorrow, 40.0))).committed_at
    commit(table, 0, upsert_rows((1001, now, 20.0), (1002, now, 30.0)))
    asked = [(1001, end(1)), (1002, end(1))]

    assert known(store, LAST_BASKET, asked) == [20.0, 40.0]
    assert known(store, LAST_BASKET, asked, known_at=created_now) == [10.0, 40.0]
    assert known(store, LAST_BASKET, [(1001, end(0)), (1002, end(0))]) == [20.0, 30.0]


@BOTH
def test_only_rows_created_by_then_are_seen_where_that_is_asked(
    store: OfflineStore, group: FeatureGroupSpec, rows: Callable[[int, Rows], pl.DataFrame]
) -> None:
    """By default 20 and 40; of what was created before the corrections 10 and 30."""
    table = store.table(feature_table(group))
    created = commit(table, 0, rows(0, {1001: 10.0, 1002: 30.0})).committed_at
    commit(table, 1, rows(1, {1001: 20.0, 1002: 40.0}))
    asked = [(1001, end(1)), (1002, end(1))]

    assert known(store, group, asked) == [20.0, 40.0]
    assert known(store, group, asked, known_at=created) == [10.0, 30.0]


@BOTH
def test_of_one_event_time_the_row_created_last_is_served_and_the_first_one_as_of_then(
    store: OfflineStore, group: FeatureGroupSpec, rows: Callable[[int, Rows], pl.DataFrame]
) -> None:
    table = store.table(feature_table(group))
    first = commit(table, 0, rows(0, {1: 0.4})).committed_at
    second = commit(table, 0, rows(0, {1: 0.6})).committed_at
    third = commit(table, 0, rows(0, {})).committed_at
    asked = [(1, end(0))]

    assert known(store, group, asked) == [None]
    assert known(store, group, asked, known_at=third - MICROSECOND) == [0.6]
    assert known(store, group, asked, known_at=second) == [0.6]
    assert known(store, group, asked, known_at=second - MICROSECOND) == [0.4]
    assert known(store, group, asked, known_at=first) == [0.4]


@BOTH
def test_a_spine_row_stays_when_everything_was_created_later(
    store: OfflineStore, group: FeatureGroupSpec, rows: Callable[[int, Rows], pl.DataFrame]
) -> None:
    """And it borrows nothing of another entity that was created in time."""
    table = store.table(feature_table(group))
    created = commit(table, 0, rows(0, {1: 0.4})).committed_at
    commit(table, 0, rows(0, {1: 0.4, 2: 0.6}))
    asked = [(2, end(0)), (1, end(0)), (2, end(0))]

    assert known(store, group, asked, known_at=created) == [None, 0.4, None]
    assert known(store, group, asked, known_at=created - MICROSECOND) == [None, None, None]


def test_an_as_of_join_takes_the_newest_row_within_ten_days(store: OfflineStore) -> None:
    """Rows at midnight: ours are known from the end of their own day on, one day later."""
    group = replace(LAST_BASKET, ttl=timedelta(days=10))
    table = store.table(feature_table(group))
    rows = {
        datetime(2023, 12, 31, tzinfo=UTC): (1, 11.0),
        datetime(2024, 1, 2, tzinfo=UTC): (1, 22.0),
        datetime(2024, 1, 3, tzinfo=UTC): (1, 33.0),
        datetime(2023, 1, 3, tzinfo=UTC): (2, 22.0),
    }
    for at, (customer, value) in rows.items():
        commit(table, (at - START) // DAY, upsert_rows((customer, at, value)))
    asked = [(1, datetime(2024, 1, day, tzinfo=UTC)) for day in (1, 2, 3, 4, 13)]

    assert known(store, group, asked) == [11.0, 11.0, 22.0, 33.0, 33.0]
    assert known(store, group, [(2, datetime(2024, 1, 1, tzinfo=UTC))]) == [None]


@BOTH
def test_the_ttl_holds_at_both_of_its_ends(
    store: OfflineStore, group: FeatureGroupSpec, rows: Callable[[int, Rows], pl.DataFrame]
) -> None:
    """Rows age from their event timestamp: a snapshot's from its end, an upsert's from its noon."""
    commit(store.table(feature_table(group)), 0, rows(0, {1: 1.0}))
    born = end(0) if group is SPEND else end(0) - DAY / 2
    assert group.ttl is not None
    edges = [end(0) - MICROSECOND, end(0), born + group.ttl, born + group.ttl + MICROSECOND]

    assert known(store, group, [(1, at) for at in edges]) == [None, 1.0, 1.0, None]


@BOTH
@pytest.mark.parametrize("years", [1, 100])
def test_without_a_ttl_nothing_grows_too_old(
    store: OfflineStore,
    group: FeatureGroupSpec,
    rows: Callable[[int, Rows], pl.DataFrame],
    years: int,
) -> None:
    eternal = replace(group, ttl=None)
    commit(store.table(feature_table(eternal)), 0, rows(0, {1: 1.0}))

    assert known(store, eternal, [(1, end(0) + years * 365 * DAY)]) == [1.0]


@BOTH
def test_equal_spine_rows_all_come_back(
    store: OfflineStore, group: FeatureGroupSpec, rows: Callable[[int, Rows], pl.DataFrame]
) -> None:
    commit(store.table(feature_table(group)), 0, rows(0, {1: 1.0}))

    assert known(store, group, [(1, end(0))] * 3) == [1.0] * 3
