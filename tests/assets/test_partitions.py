"""Which partitions exist, and what a range of them means."""

from datetime import UTC, datetime

import pytest

from headrace.assets.partitions import (
    first_partition_start,
    parse_partitions,
    partitions_in,
    partitions_until,
)
from headrace.contract.errors import PartitionOutOfRangeError
from headrace.contract.partitions import DAILY, HOURLY, Window
from headrace.tests.assets.web_declarations import clicks, user_clicks

NOW = datetime(2024, 1, 4, 12, tzinfo=UTC)


def test_partitions_exist_from_the_start_until_they_are_over() -> None:
    assert partitions_until(user_clicks, NOW) == ("2024-01-01", "2024-01-02", "2024-01-03")
    assert len(partitions_until(clicks, NOW)) == 84


def test_a_partition_exists_from_the_moment_of_its_end() -> None:
    end = datetime(2024, 1, 2, tzinfo=UTC)

    assert partitions_until(user_clicks, end) == ("2024-01-01",)


def test_no_partition_exists_before_the_first_is_over() -> None:
    assert partitions_until(user_clicks, datetime(2024, 1, 1, 23, tzinfo=UTC)) == ()


def test_a_window_holds_the_partitions_that_lie_wholly_in_it() -> None:
    window = Window(datetime(2023, 12, 30, 6, tzinfo=UTC), datetime(2024, 1, 2, 6, tzinfo=UTC))

    assert partitions_in(user_clicks, window) == ("2024-01-01",)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("2024-01-02", ("2024-01-02",)),
        ("2024-01-02..2024-01-03", ("2024-01-02", "2024-01-03")),
        ("2024-01-02..2024-01-02", ("2024-01-02",)),
    ],
)
def test_a_range_includes_both_ends(text: str, keys: tuple[str, ...]) -> None:
    assert parse_partitions(user_clicks, text, NOW) == keys


@pytest.mark.parametrize(
    "text",
    ["2023-12-31", "2024-01-04", "2024-01-01..2024-01-04", "2024-1-2", "yesterday", "..", ""],
)
def test_a_partition_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(PartitionOutOfRangeError, match="from 2024-01-01 to 2024-01-03"):
        parse_partitions(user_clicks, text, NOW)


def test_a_range_that_runs_backward_is_refused() -> None:
    with pytest.raises(PartitionOutOfRangeError, match=r"2024-01-03\.\.2024-01-02"):
        parse_partitions(user_clicks, "2024-01-03..2024-01-02", NOW)


def test_the_first_whole_partition_starts_at_or_after_an_instant() -> None:
    assert first_partition_start(datetime(2024, 1, 2, tzinfo=UTC), DAILY) == datetime(
        2024, 1, 2, tzinfo=UTC
    )
    assert first_partition_start(datetime(2024, 1, 2, 5, 30, tzinfo=UTC), HOURLY) == datetime(
        2024, 1, 2, 6, tzinfo=UTC
    )
