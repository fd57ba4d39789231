"""The disk is full while the offline store commits; no root is needed to make it so."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.contract.errors import StoreFullError
from headrace.contract.feature_group import Online
from headrace.tests.resources.online.publishing import Stage, group_of, key_of, stage_of

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
