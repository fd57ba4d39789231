from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.partitions import DAILY, HOURLY, Partitioning, Window
from headrace.tests.contract.strategies import INSTANTS

PARTITIONINGS = st.sampled_from([DAILY, HOURLY])


@given(PARTITIONINGS, INSTANTS)
def test_every_instant_lies_in_the_window_of_its_key(
    partitioning: Partitioning, instant: datetime
) -> None:
    window = partitioning.window(partitioning.key(instant))

    assert window.start <= instant < window.end
    assert window.end - window.start == partitioning.length


@given(PARTITIONINGS, INSTANTS, INSTANTS)
def test_keys_sort_as_their_windows_do(
    partitioning: Partitioning, one: datetime, other: datetime
) -> None:
    left, right = partitioning.key(one), partitioning.key(other)

    assert (left < right) == (partitioning.window(left).start < partitioning.window(right).start)


def test_keys_are_the_partitions_that_lie_wholly_inside() -> None:
    start = datetime(2017, 12, 30, 6, tzinfo=UTC)

    keys = list(DAILY.keys(start, start + timedelta(days=3)))

    assert keys == ["2017-12-31", "2018-01-01"]


def test_an_hour_has_a_key_of_its_own() -> None:
    hour = datetime(2018, 1, 2, 5, tzinfo=UTC)

    assert HOURLY.key(hour + timedelta(minutes=59)) == "2018-01-02-05:00"
    assert HOURLY.window("2018-01-02-05:00") == Window(hour, hour + timedelta(hours=1))


@pytest.mark.parametrize("key", ["2018-1-2", "2018-02-30", "yesterday", "2018-01-02-05:00"])
def test_a_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|no DAILY|remains|out of range"):
        DAILY.window(key)


def test_an_hourly_key_off_the_hour_is_refused() -> None:
    with pytest.raises(ValueError, match="no HOURLY partition key"):
        HOURLY.window("2018-01-02-05:30")
