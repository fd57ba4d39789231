from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.maintenance import maintain
from headrace.contract.errors import ReceiptUnreadableError, TableVersionGoneError
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.tests.assets.visits import DAYS, World, make_world, visits
from headrace.tests.resources.offline.maintenance.scattering import scatter

NOW = timedelta(0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two days of the source, read, and read again after a correction."""
    world = make_world(tmp_path)
    world.read_inputs(DAYS[:2])
    world.visits = visits((DAYS[0], 1, "b", 1.0), (DAYS[1], 1, "a", 1.0))
    world.materialize(world.source, DAYS[:2])
    return world


def test_a_table_that_was_never_committed_to_is_left_alone(world: World) -> None:
    done = maintain(world.week, world.deployment)

    assert (done.compaction, done.checkpoint, done.vacuum) == (None, None, None)
    assert done.table == "features/visitor_week/v1"


def test_tables_of_sources_and_dimensions_are_maintained(world: World) -> None:
    source = world.deployment.offline.table(world.source.table)
    scatter(source, DAYS[0], pieces=1)
    rows = source.snapshot().scan().collect()

    done = maintain(world.source, world.deployment, min_age=NOW)
    pages = maintain(world.dimension, world.deployment, min_age=NOW)

    assert done.vacuum is not None
    assert done.vacuum.files == 3
    assert done.checkpoint is not None
    assert (pages.vacuum and pages.vacuum.files, pages.checkpoint) == (0, 1)
    assert source.snapshot().scan().collect().equals(rows)


def test_versions_that_stored_receipts_name_are_kept(world: World) -> None:
    for seconds in (5.0, 6.0, 7.0):
        world.visits = visits((DAYS[0], 1, "b", seconds))
        world.materialize(world.source, DAYS[:1])
        world.materialize(world.week, DAYS[:1])
    receipts = Path(world.deployment.offline.root, "receipts")
    receipts.mkdir()
    named = (
        '{"tables": [{"group": "visitor_week@1", "table_version": 2, "document": "d"}],'
        ' "spine_parts": []}'
    )
    (receipts / "abc.json").write_text(named)
    offline = ReceiptStore(world.deployment.offline)
    offline.write_spine("forgotten", pl.DataFrame({"user_id": [1]}))

    done = maintain(world.week, world.deployment, min_age=NOW)

    table = world.deployment.offline.table(world.week.table)
    assert done.kept.versions == {2: "named by a stored receipt"}
    assert done.vacuum is not None
    assert done.vacuum.files == 1
    assert offline.spine("forgotten") is None
    assert table.snapshot(version=2).scan().collect()["seconds_7d"].to_list() == [3.0]
    with pytest.raises(TableVersionGoneError):
        table.snapshot(version=1).scan()


def test_where_a_receipt_cannot_be_read_nothing_is_removed(world: World) -> None:
    world.materialize(world.week, DAYS[:1])
    receipts = Path(world.deployment.offline.root, "receipts")
    receipts.mkdir()
    (receipts / "abc.json").write_text('{"tables": 7}')

    with pytest.raises(ReceiptUnreadableError, match=r"receipts/abc\.json cannot be read"):
        maintain(world.week, world.deployment, min_age=NOW)
