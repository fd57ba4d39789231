"""Building training sets."""

from pathlib import Path

import pytest

from headrace.tests.assets.visits import World, make_world, midnight


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_a_training_set_joins_labels_with_what_was_known(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week)
    world.materialize(world.last)

    (outcome,) = world.materialize(world.training_set, ["2024-01-10"])

    at = midnight("2024-01-09")
    rows = sorted(world.rows(world.training_set, "2024-01-10"), key=str)
    assert rows == [(1, True, at, 7, "a"), (2, True, at, 7, "b")]
    assert outcome.receipt is not None
    assert [each.group for each in outcome.receipt.tables] == ["visitor_week@1", "visitor_last@1"]


def test_building_a_training_set_again_commits_nothing(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week)
    world.materialize(world.last)
    world.materialize(world.training_set, ["2024-01-10"])

    (outcome,) = world.materialize(world.training_set, ["2024-01-10"])

    assert outcome.commit is not None
    assert (outcome.commit.no_op, outcome.commit.generation) == (True, 1)


def test_a_training_set_refuses_groups_of_which_nothing_is_committed(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week)

    (outcome,) = world.materialize(world.training_set, ["2024-01-10"])

    assert "its input offline/visitor_last is not committed yet" in outcome.reason
