"""Building training sets."""

from pathlib import Path

import pytest

from headrace.assets.point_in_time import replayed_frame
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.tests.assets.visits import DAYS, World, make_world, midnight


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


def test_the_same_rows_again_keep_the_receipt_that_they_were_committed_with(world: World) -> None:
    """What was read since from newer versions of the tables is not what was committed."""
    world.read_inputs()
    world.materialize(world.week, DAYS[:-1])
    world.materialize(world.last)
    (first,) = world.materialize(world.training_set, ["2024-01-10"])
    world.materialize(world.week, DAYS[-1:])

    (again,) = world.materialize(world.training_set, ["2024-01-10"])

    assert first.receipt is not None
    assert again.receipt == first.receipt
    assert ReceiptStore(world.deployment.offline).ids() == [first.receipt.id]
    assert first.commit is not None
    assert first.commit.verdicts["receipt"] == first.receipt.id


def test_a_correction_gives_another_generation_with_a_receipt_of_its_own(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week)
    world.materialize(world.last)
    (first,) = world.materialize(world.training_set, ["2024-01-10"])
    old = set(world.rows(world.training_set, "2024-01-10"))
    world.add(("2024-01-08", 1, "a", 1.0))
    world.read_inputs()
    world.materialize(world.week)

    (second,) = world.materialize(world.training_set, ["2024-01-10"])

    assert second.commit is not None
    assert (second.commit.no_op, second.commit.generation) == (False, 2)
    store = world.deployment.offline
    receipts = [each.receipt for each in (first, second) if each.receipt is not None]
    assert sorted(ReceiptStore(store).ids()) == sorted({each.id for each in receipts})
    replays = [set(replayed_frame(each, store).rows()) for each in receipts]
    assert replays == [old, set(world.rows(world.training_set, "2024-01-10"))]
    assert replays[0] != replays[1]


def test_a_receipt_that_was_removed_is_not_made_up_again(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week)
    world.materialize(world.last)
    world.materialize(world.training_set, ["2024-01-10"])
    for file in (Path(world.deployment.offline.root) / "receipts").glob("*.json"):
        file.unlink()

    (again,) = world.materialize(world.training_set, ["2024-01-10"])

    assert again.commit is not None
    assert (again.commit.no_op, again.receipt) == (True, None)


def test_a_training_set_refuses_groups_of_which_nothing_is_committed(world: World) -> None:
    world.read_inputs()
    world.materialize(world.week)

    (outcome,) = world.materialize(world.training_set, ["2024-01-10"])

    assert "its input offline/visitor_last is not committed yet" in outcome.reason
