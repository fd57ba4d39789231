"""A critical group's partitions are held until somebody approves exactly what was computed."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.approval import APPROVAL, approve
from headrace.assets.declarations import FeatureGroup, Input
from headrace.assets.held import HeldPartitions
from headrace.assets.point_in_time import training_frame
from headrace.contract.errors import HeldOutdatedError, NothingHeldError
from headrace.resources.offline.commit_log import Commit
from headrace.tests.assets.visits import DAYS, World, make_world, midnight

FIRST = DAYS[0]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path)
    made.week = replace(made.week, approval=True)
    made.read_inputs(DAYS[:3])
    return made


def waiting(world: World) -> list[str]:
    return list(HeldPartitions.beside(world.week.table, world.deployment.offline).waiting())


def commit(world: World, partition: str, group: FeatureGroup | None = None) -> Commit:
    table = world.deployment.offline.table((group or world.week).table)
    return table.snapshot().commits[partition]


def test_a_partition_is_computed_and_judged_but_not_committed(world: World) -> None:
    outcomes = world.materialize(world.week, DAYS[:2])

    assert [outcome.commit for outcome in outcomes] == [None, None]
    assert [outcome.held.rows for outcome in outcomes if outcome.held] == [2, 2]
    assert all(outcome.verdict and outcome.verdict.passed for outcome in outcomes)
    assert waiting(world) == list(DAYS[:2])
    assert world.generations(world.week) == {}
    assert list(world.deployment.offline.feature_groups()) == []


def test_approving_commits_exactly_the_held_rows_with_who_and_why(world: World) -> None:
    (held, _) = world.materialize(world.week, DAYS[:2])
    world.computed.clear()

    approved = approve(world.week, FIRST, world.deployment.offline, by="ann", reason="looks right")

    end = midnight(DAYS[1])
    assert world.computed == []
    assert world.rows(world.week, FIRST) == [(1, end, 1, 10.0), (2, end, 1, 10.0)]
    assert waiting(world) == [DAYS[1]]
    committed = commit(world, FIRST)
    said = committed.verdicts[APPROVAL]
    assert (said["by"], said["reason"]) == ("ann", "looks right")
    assert committed.verdicts["passed"] is True
    assert held.held is not None
    assert committed.identity == held.held.identity
    assert committed.run_id == "run"
    assert (approved.commit.generation, approved.is_repeated) == (1, False)


def test_approving_twice_changes_nothing_and_says_who_did(world: World) -> None:
    world.materialize(world.week, [FIRST])
    store = world.deployment.offline
    approve(world.week, FIRST, store, by="ann", reason="looks right")
    before = commit(world, FIRST)

    again = approve(world.week, FIRST, store, by="bob", reason="me too")

    assert again.is_repeated
    assert (again.by, again.reason) == ("ann", "looks right")
    assert commit(world, FIRST) == before


def test_until_then_training_and_readers_see_the_state_before(world: World) -> None:
    store = world.deployment.offline
    world.materialize(world.week, [FIRST])
    approve(world.week, FIRST, store, by="ann", reason="first")
    spine = pl.DataFrame(
        {"visitor": [1], "event_timestamp": [midnight(DAYS[1])]},
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )

    def trained() -> object:
        features = [world.week["seconds_7d"]]
        return training_frame(spine, features=features, store=store)[0].row(0)[-1]

    world.add((FIRST, 1, "a", 5.0))
    world.materialize(world.source, [FIRST])
    world.materialize(world.week, [FIRST])
    world.materialize(world.rank, [FIRST])
    while_held = trained(), world.rows(world.week, FIRST)[0][3], world.generations(world.rank)
    approve(world.week, FIRST, store, by="ann", reason="second")

    assert while_held == (10.0, 10.0, {FIRST: 1})
    assert trained() == 15.0
    assert commit(world, FIRST).generation == 2


def test_computing_again_replaces_what_is_held(world: World) -> None:
    world.materialize(world.week, [FIRST])
    world.add((FIRST, 3, "a", 1.0))
    world.materialize(world.source, [FIRST])
    world.materialize(world.week, [FIRST])

    approve(world.week, FIRST, world.deployment.offline, by="ann", reason="fine")

    assert [row[0] for row in world.rows(world.week, FIRST)] == [1, 2, 3]
    assert commit(world, FIRST).generation == 1


def test_repeating_a_held_computation_computes_nothing(world: World) -> None:
    world.materialize(world.week, [FIRST])
    world.computed.clear()

    (outcome,) = world.materialize(world.week, [FIRST])

    assert world.computed == []
    assert outcome.held is not None
    assert outcome.held.no_op


def test_what_changed_since_is_named_and_nothing_is_committed(world: World) -> None:
    world.materialize(world.week, [DAYS[2]])
    world.add((FIRST, 3, "a", 1.0))
    world.materialize(world.source, [FIRST])
    week = replace(world.week, code_version="0123")

    with pytest.raises(HeldOutdatedError) as refused:
        approve(week, DAYS[2], world.deployment.offline, by="ann", reason="fine")

    assert refused.value.changes == (
        f"the group's code is 0123, was {world.week.code_version}",
        "sources/visits, partition 2024-01-01: generation 2, was 1",
    )
    assert "headrace materialize visitor_week@1 --partitions 2024-01-03" in str(refused.value)
    assert world.generations(world.week) == {}
    assert waiting(world) == [DAYS[2]]


def test_an_input_that_was_missing_and_came_is_named(world: World) -> None:
    world.materialize(world.source, [DAYS[4]])
    world.materialize(world.week, [DAYS[4]])
    world.materialize(world.source, [DAYS[3]])

    with pytest.raises(HeldOutdatedError, match="2024-01-04: generation 1 was committed"):
        approve(world.week, DAYS[4], world.deployment.offline, by="ann", reason="fine")


def test_nothing_held_is_an_error_that_names_what_is(world: World) -> None:
    store = world.deployment.offline
    with pytest.raises(NothingHeldError, match="nothing of the group waits"):
        approve(world.week, FIRST, store, by="ann", reason="fine")
    world.materialize(world.week, DAYS[1:3])

    with pytest.raises(NothingHeldError, match="these wait: 2024-01-02, 2024-01-03"):
        approve(world.week, FIRST, store, by="ann", reason="fine")


def test_rows_that_break_a_rule_are_quarantined_not_held(world: World) -> None:
    world.add((FIRST, 3, "a", -5.0))
    world.materialize(world.source, [FIRST])

    (outcome,) = world.materialize(world.week, [FIRST])

    assert (outcome.held, outcome.quarantined) == (None, 1)
    assert waiting(world) == []


def test_a_held_partition_that_is_committed_by_other_means_waits_no_longer(world: World) -> None:
    world.materialize(world.week, [FIRST])

    world.materialize(replace(world.week, approval=False), [FIRST])

    assert waiting(world) == []
    (outcome,) = world.materialize(world.week, [FIRST])
    assert outcome.commit is not None
    assert outcome.commit.no_op


def test_approved_rows_leave_the_table_beside(world: World) -> None:
    world.materialize(world.week, [FIRST])

    approve(world.week, FIRST, world.deployment.offline, by="ann", reason="fine")

    table = HeldPartitions.beside(world.week.table, world.deployment.offline).table
    assert table.uri.endswith("features/visitor_week/v1_held")
    assert pl.read_delta(table.uri).height == 0


def test_a_change_that_commits_nothing_is_recorded_all_the_same(world: World) -> None:
    world.materialize(world.week, [FIRST])
    approve(world.week, FIRST, world.deployment.offline, by="ann", reason="fine")
    spec = replace(world.week.spec, owners=("team:other",))

    world.materialize(replace(world.week, spec=spec), [FIRST])

    (stored,) = world.deployment.offline.feature_groups()["visitor_week"].values()
    assert stored.owners == ("team:other",)


def test_a_reader_of_what_is_held_is_told_that_it_waits_for_approval(world: World) -> None:
    world.materialize(world.week, DAYS[:2])
    reader = replace(world.rank, inputs=(Input(world.week, None),))

    (outcome,) = world.materialize(reader, [FIRST])

    assert outcome.reason.endswith(
        f"its input offline/visitor_week, partition {FIRST}, is not committed yet; it is held for"
        f" approval: headrace approve visitor_week@1 --partitions {FIRST} --reason …"
    )
