"""Which committed partitions would not be the same any more."""

from dataclasses import replace
from pathlib import Path

import pytest

from headrace.assets.outdated import outdated_partitions
from headrace.tests.assets.visits import DAYS, World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path)
    made.read_inputs(DAYS[2:])
    made.materialize(made.week, DAYS[2:])
    return made


def test_what_was_just_computed_is_up_to_date_whatever_is_missing(world: World) -> None:
    assert outdated_partitions(world.week, world.deployment.offline) == []


def test_late_rows_leave_exactly_the_windows_that_hold_them(world: World) -> None:
    world.add((DAYS[3], 1, "a", 1.0))
    world.read_inputs([DAYS[3]])

    assert outdated_partitions(world.week, world.deployment.offline) == list(DAYS[3:10])


def test_a_day_that_arrives_at_last_does_so_too(world: World) -> None:
    world.read_inputs([DAYS[1]])

    assert outdated_partitions(world.week, world.deployment.offline) == list(DAYS[2:8])


def test_changed_code_leaves_all_of_them(world: World) -> None:
    changed = replace(world.week, code_version="another")

    assert outdated_partitions(changed, world.deployment.offline) == list(DAYS[2:])
