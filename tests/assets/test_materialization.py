"""Computing and committing, without Dagster."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.materialization import materialize_partition, preview
from headrace.assets.outcomes import Run
from headrace.contract.errors import InputNotCommittedError
from headrace.tests.assets.visits import DAYS, World, make_world, midnight, noon


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_a_partition_is_computed_from_its_window_and_stamped_with_its_end(world: World) -> None:
    world.read_inputs()

    world.materialize(world.week, ["2024-01-09"])

    end = midnight("2024-01-10")
    assert world.rows(world.week, "2024-01-09") == [(1, end, 7, 70.0), (2, end, 7, 70.0)]


def test_a_first_window_reaches_back_no_further_than_history_and_says_so(world: World) -> None:
    world.read_inputs()

    (first,), (eighth,) = (
        world.materialize(world.week, ["2024-01-03"]),
        world.materialize(world.week, ["2024-01-08"]),
    )

    assert [row[2] for row in world.rows(world.week, "2024-01-03")] == [3, 3]
    assert [use.is_complete for use in first.uses] == [True, False]
    assert [use.is_complete for use in eighth.uses] == [True, True]


def test_repeating_computes_and_commits_nothing(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week, DAYS)
    world.computed.clear()

    outcomes = world.materialize(world.week, DAYS)

    assert world.computed == []
    assert [outcome.commit is not None and outcome.commit.no_op for outcome in outcomes] == [
        True for _ in DAYS
    ]
    assert [outcome.verdict is not None and outcome.verdict.passed for outcome in outcomes] == [
        True for _ in DAYS
    ]
    assert world.generations(world.week) == dict.fromkeys(DAYS, 1)


def test_a_late_visit_gives_a_new_generation_to_exactly_the_windows_that_hold_it(
    world: World,
) -> None:
    world.read_inputs()
    world.materialize(world.week)
    world.add(("2024-01-05", 3, "a", 5.0))

    world.materialize(world.source)
    world.materialize(world.week)

    late = {day: 2 if "2024-01-05" <= day <= "2024-01-11" else 1 for day in DAYS}
    assert world.generations(world.source) == {**dict.fromkeys(DAYS, 1), "2024-01-05": 2}
    assert world.generations(world.week) == late


def test_rows_that_break_a_rule_are_refused_and_the_last_good_commit_stays(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week)
    before = world.rows(world.week, "2024-01-05")
    world.add(("2024-01-05", 3, "a", -5.0))
    world.materialize(world.source)

    (outcome,) = world.materialize(world.week, ["2024-01-05"])

    assert outcome.commit is None
    assert outcome.reason == "some of 3 rows break greater_than_or_equal_to(0) of seconds_7d (1×)"
    assert world.rows(world.week, "2024-01-05") == before
    assert world.generations(world.week)["2024-01-05"] == 1


def test_only_the_failing_partitions_of_a_range_are_held_back(world: World) -> None:
    world.add(("2024-01-14", 3, "a", -5.0))
    world.read_inputs()

    outcomes = world.materialize(world.week)

    assert [outcome.partition for outcome in outcomes if outcome.commit is None] == ["2024-01-14"]
    assert set(world.generations(world.week)) == set(DAYS) - {"2024-01-14"}


def test_a_function_that_raises_fails_its_partition_alone(world: World) -> None:
    world.read_inputs()
    compute = world.week.function

    def raising(visits: pl.LazyFrame, pages: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
        if end == midnight("2024-01-03"):
            raise ZeroDivisionError
        return compute(visits, pages, end)

    week = replace(world.week, function=raising)
    outcomes = world.materialize(week, ["2024-01-01", "2024-01-02", "2024-01-03"])

    assert [outcome.commit is not None for outcome in outcomes] == [True, False, True]
    assert outcomes[1].reason.startswith("ZeroDivisionError:  (test_materialization.py, line ")
    assert outcomes[1].reason.endswith(", in raising)")
    assert outcomes[1].verdict is None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda rows: rows.with_columns(pl.col("visits_7d").cast(pl.Int32)), "dtype('Int64')"),
        (lambda rows: rows.drop("seconds_7d"), "column_in_dataframe of seconds_7d"),
        (lambda rows: rows.with_columns(extra=1), "unexpected"),
        (lambda rows: pl.concat([rows, rows]), "2 rows repeat a key"),
        (lambda rows: rows.with_columns(event_timestamp=noon("2024-01-02")), "stamps it"),
        (lambda rows: rows.with_columns(pl.lit(None, pl.Int64).alias("visitor")), "not_nullable"),
    ],
    ids=["type", "missing", "extra", "duplicate", "stamped", "null key"],
)
def test_a_frame_that_is_not_as_declared_is_refused(
    world: World, spoil: object, reason: str
) -> None:
    world.read_inputs(["2024-01-01"])
    compute = world.week.function
    assert callable(spoil)

    week = replace(
        world.week, function=lambda visits, pages, end: spoil(compute(visits, pages, end))
    )
    (outcome,) = world.materialize(week, ["2024-01-01"])

    assert outcome.commit is None
    assert outcome.verdict is not None
    assert reason in outcome.reason
    assert world.generations(world.week) == {}


def test_a_partition_waits_for_its_newest_input(world: World) -> None:
    world.read_inputs(["2024-01-01", "2024-01-02"])

    (outcome,) = world.materialize(world.week, ["2024-01-03"])

    assert isinstance(outcome.error, InputNotCommittedError)
    assert outcome.reason == (
        "feature group 'visitor_week@1', partition 2024-01-03: its input sources/visits, partition"
        " 2024-01-03, is not committed yet; materialize sources/visits first"
        " (`headrace materialize` computes a group's inputs, too)"
    )


def test_a_partition_waits_for_a_dimension(world: World) -> None:
    world.materialize(world.source, ["2024-01-01"])

    (outcome,) = world.materialize(world.week, ["2024-01-01"])

    assert "its input dimensions/pages is not committed yet" in outcome.reason


def test_a_gap_in_a_window_does_not_stop_it_and_is_said(world: World) -> None:
    world.read_inputs(["2024-01-01", "2024-01-03"])

    (outcome,) = world.materialize(world.week, ["2024-01-03"])

    assert outcome.commit is not None
    assert [use.absent for use in outcome.uses] == [(), ("2024-01-02",)]
    assert [row[2] for row in world.rows(world.week, "2024-01-03")] == [2, 2]


def test_a_gap_that_is_filled_is_a_new_computation(world: World) -> None:
    world.read_inputs(["2024-01-01", "2024-01-03"])
    world.materialize(world.week, ["2024-01-03"])
    world.read_inputs(["2024-01-02"])

    (outcome,) = world.materialize(world.week, ["2024-01-03"])

    assert outcome.commit is not None
    assert (outcome.commit.generation, outcome.commit.rows) == (2, 2)


def test_a_new_version_of_a_dimension_serves_what_is_computed_from_then_on(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week, ["2024-01-01"])
    world.pages = world.pages.with_columns(weight=pl.lit(2.0))
    world.materialize(world.dimension)

    world.materialize(world.week, ["2024-01-02"])

    assert world.generations(world.dimension) == {"all": 2}
    assert [row[3] for row in world.rows(world.week, "2024-01-01")] == [10.0, 10.0]
    assert [row[3] for row in world.rows(world.week, "2024-01-02")] == [40.0, 80.0]


def test_upsert_rows_keep_their_own_event_timestamp(world: World) -> None:
    world.read_inputs(["2024-01-01"])

    world.materialize(world.last, ["2024-01-01"])

    at = noon("2024-01-01")
    assert world.rows(world.last, "2024-01-01") == [(1, at, "a"), (2, at, "b")]


def test_a_group_is_computed_from_the_committed_rows_of_another(world: World) -> None:
    world.add(("2024-01-01", 2, "b", 1.0))
    world.read_inputs(["2024-01-01"])
    world.materialize(world.week, ["2024-01-01"])

    (outcome,) = world.materialize(world.rank, ["2024-01-01"])

    end = midnight("2024-01-02")
    assert world.rows(world.rank, "2024-01-01") == [(1, end, 2), (2, end, 1)]
    assert [use.asset for use in outcome.uses] == ["offline/visitor_week"]


def test_a_deferred_commit_says_so(world: World) -> None:
    world.read_inputs(["2024-01-01"])

    (outcome,) = world.materialize(world.week, ["2024-01-01"], publish="deferred")

    assert outcome.commit is not None
    assert outcome.commit.publish == "deferred"


def test_a_preview_shows_what_would_be_committed_and_writes_nothing(world: World) -> None:
    world.read_inputs(["2024-01-01"])

    shown = preview(world.week, "2024-01-01", world.deployment.offline)

    assert world.generations(world.week) == {}
    world.materialize(world.week, ["2024-01-01"])
    assert shown.rows.rows() == world.rows(world.week, "2024-01-01")
    assert str(shown.verdict) == "2 rows keep every rule"


def test_a_preview_of_bad_rows_says_what_is_wrong(world: World) -> None:
    world.add(("2024-01-01", 3, "a", -1.0))
    world.read_inputs(["2024-01-01"])

    shown = preview(world.week, "2024-01-01", world.deployment.offline)

    assert not shown.verdict.passed
    assert shown.rows.height == 3


def test_a_changed_document_is_recorded_without_a_new_generation(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week, DAYS[:2])
    world.computed.clear()
    patient = replace(world.week, spec=replace(world.week.spec, ttl=timedelta(days=9)))

    world.materialize(patient, DAYS[:2])

    (stored,) = world.deployment.offline.feature_groups()["visitor_week"].values()
    assert stored.ttl == timedelta(days=9)
    assert world.generations(world.week) == dict.fromkeys(DAYS[:2], 1)


def test_changed_code_is_a_new_computation(world: World) -> None:
    world.read_inputs(["2024-01-01"])
    world.materialize(world.week, ["2024-01-01"])

    world.materialize(replace(world.week, code_version="another"), ["2024-01-01"])

    assert world.generations(world.week) == {"2024-01-01": 2}


def test_one_partition_is_materialized_as_many_are(world: World) -> None:
    world.read_inputs(["2024-01-01"])

    outcome = materialize_partition(world.week, "2024-01-01", Run(world.deployment.offline, "run"))

    assert outcome.commit is not None
    assert outcome.commit.committed_at <= datetime.now(UTC)
