"""The disk is full while the offline store commits; no root is needed to make it so."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.point_in_time import training_frame
from headrace.contract.errors import StoreFullError
from headrace.contract.feature_group import Online
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.tests.resources.online.publishing import Stage, day, group_of, key_of, stage_of

pytestmark = pytest.mark.server

BEFORE = [(household, 9, 1.0) for household in range(100)]
AFTER = [(household, 9, 2.0) for household in range(10_000)]


@contextmanager
def room_for_files_of(size: int) -> Iterator[None]:
    """No file of this process can grow beyond a size: writing more fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def stage(valkey_url: str, tmp_path: Path) -> Stage:
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    stage.commit(1, BEFORE)
    stage.publish(1)
    return stage


@pytest.mark.parametrize(
    ("room", "rows"),
    [
        pytest.param(64, AFTER, id="before the first row"),
        pytest.param(4096, AFTER, id="in the middle of the rows"),
        pytest.param(64, [], id="in the log"),
    ],
)
def test_a_commit_that_finds_the_disk_full_leaves_everything_as_it_was(
    stage: Stage, room: int, rows: list[tuple[object, ...]]
) -> None:
    with room_for_files_of(room), pytest.raises(StoreFullError) as raised:
        stage.commit(1, rows)

    assert "\n" not in str(raised.value)
    assert "make room" in str(raised.value)
    seen_by_others = Stage(stage.group, stage.online, stage.offline).table.snapshot()
    assert seen_by_others.commits[key_of(1)].generation == 1
    assert seen_by_others.scan().collect().height == len(BEFORE)
    assert stage.verify().equal == len(BEFORE)

    assert stage.commit(1, rows).generation == 2
    stage.publish(1)
    assert stage.verify().is_clean
    assert len(stage.served()) == len(rows)


def test_a_receipt_whose_spine_finds_the_disk_full_is_not_kept_and_says_so(stage: Stage) -> None:
    spine = pl.DataFrame(
        {"household_id": range(10_000), "event_timestamp": [day(2)] * 10_000},
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )
    features = f"{stage.group.name}:spend"

    with room_for_files_of(4096), pytest.raises(StoreFullError, match="make room"):
        training_frame(spine, features, stage.offline)

    assert ReceiptStore(stage.offline).ids() == []

    _, receipt = training_frame(spine, features, stage.offline)
    assert ReceiptStore(stage.offline).ids() == [receipt.id]
    kept = ReceiptStore(stage.offline).spine(receipt.spine_parts[0].name)
    assert kept is not None
    assert kept.equals(spine)


def test_going_live_with_the_disk_full_says_so(stage: Stage) -> None:
    with room_for_files_of(64), pytest.raises(StoreFullError, match="make room"):
        stage.registry.register(replace(stage.group, version=2))
