from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.status import Status, is_stale, microseconds, value_status

TABLE = [
    # failed, found, stale, null → status
    (True, False, False, False, Status.ERROR),
    (True, False, False, True, Status.ERROR),
    (True, False, True, False, Status.ERROR),
    (True, False, True, True, Status.ERROR),
    (True, True, False, False, Status.ERROR),
    (True, True, False, True, Status.ERROR),
    (True, True, True, False, Status.ERROR),
    (True, True, True, True, Status.ERROR),
    (False, False, False, False, Status.NOT_FOUND),
    (False, False, False, True, Status.NOT_FOUND),
    (False, False, True, False, Status.NOT_FOUND),
    (False, False, True, True, Status.NOT_FOUND),
    (False, True, True, False, Status.STALE),
    (False, True, True, True, Status.STALE),
    (False, True, False, True, Status.NULL),
    (False, True, False, False, Status.PRESENT),
]


@pytest.mark.parametrize(("failed", "found", "stale", "null", "expected"), TABLE)
def test_the_status_table(
    *, failed: bool, found: bool, stale: bool, null: bool, expected: Status
) -> None:
    assert value_status(failed=failed, found=found, stale=stale, null=null) is expected


def test_the_table_names_every_case() -> None:
    assert {row[:4] for row in TABLE} == set(product([True, False], repeat=4))


@pytest.mark.parametrize(
    ("age", "ttl", "max_age", "stale"),
    [
        (10, 10, None, False),
        (11, 10, None, True),
        (10**18, None, None, False),
        (10, None, 10, False),
        (11, None, 10, True),
        (11, 100, 10, True),
        (101, 100, 1000, True),
        (-5, 0, 0, False),
    ],
)
def test_an_age_of_exactly_the_limit_is_known(
    *, age: int, ttl: int | None, max_age: int | None, stale: bool
) -> None:
    assert is_stale(age, ttl, max_age) is stale


def test_status_numbers_are_stable() -> None:
    assert [status.value for status in Status] == [0, 1, 2, 3, 4]


@given(st.integers(-(10**15), 10**15))
def test_durations_are_counted_exactly(count: int) -> None:
    assert microseconds(timedelta(microseconds=count)) == count
