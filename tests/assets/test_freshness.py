"""How fresh a group is: age of the newest partition, and the share of time within the target."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.assets.freshness import freshness, freshness_score
from headrace.contract.partitions import DAILY
from headrace.resources.offline.commit_log import Commit
from headrace.tests.assets.visits import DAYS, make_world

HOUR = timedelta(hours=1)
BEGIN = datetime(2024, 1, 10, tzinfo=UTC)
GROUP = make_world(Path("/nowhere")).week
"""Daily, fresh for a day."""


def commit(partition: str, committed_at: datetime, generation: int = 1) -> Commit:
    return Commit(
        partition=partition,
        generation=generation,
        version=0,
        rows=0,
        identity="",
        committed_at=committed_at,
        run_id="",
        code_version="",
        verdicts={},
    )


def test_age_counts_from_the_end_of_the_newest_partition() -> None:
    found = freshness(GROUP, DAYS[:9], BEGIN + 6 * HOUR)

    assert (found.newest, found.age, found.is_fresh) == ("2024-01-09", 6 * HOUR, True)


def test_a_backfill_of_an_old_partition_makes_no_group_look_fresh() -> None:
    overdue = freshness(GROUP, DAYS[4:7], BEGIN)
    backfilled = freshness(GROUP, DAYS[:7], BEGIN)

    assert (overdue.is_fresh, backfilled.is_fresh) == (False, False)
    assert overdue.age == backfilled.age == timedelta(days=2)


def test_a_group_is_overdue_from_its_target_on_and_somebodys_matter_an_hour_later() -> None:
    at = [BEGIN, BEGIN + timedelta(microseconds=1), BEGIN + HOUR, BEGIN + HOUR * 1.01]

    found = [freshness(GROUP, ["2024-01-08"], now) for now in at]

    assert [each.is_fresh for each in found] == [True, False, False, False]
    assert [each.is_violated for each in found] == [False, False, False, True]


def test_the_expected_partition_is_the_oldest_that_would_be_fresh() -> None:
    early = freshness(GROUP, [], BEGIN + HOUR)
    on_time = freshness(GROUP, [early.expected], BEGIN + HOUR)
    before = freshness(GROUP, [DAILY.key(BEGIN - timedelta(days=2))], BEGIN + HOUR)

    assert early.expected == "2024-01-09"
    assert (on_time.is_fresh, before.is_fresh) == (True, False)


def test_partitions_that_are_missing_behind_the_newest_are_counted() -> None:
    found = freshness(GROUP, ["2024-01-03", "2024-01-06", "2024-01-09"], BEGIN)

    assert (found.is_fresh, found.gaps) == (True, 4)


def test_a_group_without_partitions_is_not_fresh() -> None:
    found = freshness(GROUP, [], BEGIN)

    assert (found.age, found.is_fresh, found.is_violated, found.gaps) == (None, False, True, 0)


def test_the_score_is_the_share_of_time_within_the_target() -> None:
    """The 8th is committed as it ends, the 9th six hours late: 24 of 30 hours were fresh."""
    commits = [
        commit("2024-01-08", BEGIN - timedelta(days=1)),
        commit("2024-01-02", BEGIN - HOUR),
        commit("2024-01-09", BEGIN + 6 * HOUR),
    ]

    score = freshness_score(GROUP, commits, BEGIN - timedelta(days=9), BEGIN + 6 * HOUR)

    assert score == 24 / 30


def test_only_the_time_that_is_asked_for_counts() -> None:
    commits = [commit("2024-01-05", BEGIN - timedelta(days=4)), commit("2024-01-09", BEGIN)]

    assert freshness_score(GROUP, commits, BEGIN, BEGIN + 48 * HOUR) == 0.5
    assert freshness_score(GROUP, commits, BEGIN - HOUR, BEGIN) == 0.0


def test_a_group_without_commits_has_no_score() -> None:
    assert freshness_score(GROUP, [], BEGIN, BEGIN + HOUR) is None


@given(
    commits=st.lists(st.tuples(st.integers(0, 200), st.sampled_from(DAYS)), max_size=12),
    since=st.integers(0, 100),
    hours=st.integers(1, 100),
    target=st.integers(24, 60),
)
def test_the_score_is_what_a_look_every_hour_would_count(
    commits: Sequence[tuple[int, str]], since: int, hours: int, target: int
) -> None:
    """Everything happens on the hour, so that a look in between sees what holds for all of it."""
    made = [
        commit(day, BEGIN + hour * HOUR) for hour, day in sorted(commits, key=lambda each: each[0])
    ]
    aimed = replace(GROUP, freshness=target * HOUR)
    looks = [BEGIN + (since + hour) * HOUR + HOUR / 2 for hour in range(hours)]
    seen = [
        freshness(aimed, [each.partition for each in made if each.committed_at <= at], at)
        for at in looks
    ]
    counted = [each.is_fresh for each in seen if each.newest is not None]

    score = freshness_score(aimed, made, BEGIN + since * HOUR, BEGIN + (since + hours) * HOUR)

    expected = sum(counted) / len(counted) if counted else None
    assert score == (None if expected is None else pytest.approx(expected))
