"""What maintenance gathered of a log is learnt as the log says it, and believed while it does."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from headrace.contract.feature_group import DType, FeatureSpec
from headrace.resources.offline.commit_log import LEARNT
from headrace.resources.offline.gathered_log import WORTH_IT, gather
from headrace.resources.offline.maintenance.maintained import Kept, maintain_table
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import SPEND, commit, day, snapshot_rows

WIDER = replace(SPEND, features=(*SPEND.features, FeatureSpec("more", DType.INT64, nullable=True)))
LATER_SCHEMA = feature_table(WIDER).schema


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One whose table has enough commits, the last under another document, and was vacuumed."""
    store = OfflineStore(str(tmp_path_factory.mktemp("gathered")))
    spend = store.table(feature_table(SPEND))
    for number in range(WORTH_IT + 6):
        rows = snapshot_rows(number % 3, {1: float(number)})
        commit(spend, number % 3, rows, identity=str(number))
    wider = store.table(feature_table(WIDER))
    commit(wider, 0, snapshot_rows(0, {1: 2.0}).with_columns(more=None).cast(wider.spec.schema))
    maintain_table(wider, Kept(), min_age=timedelta(0))
    return store.root


@pytest.fixture
def store(made: str, tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(shutil.copytree(made, tmp_path / "store")))


def opened(store: OfflineStore) -> OfflineTable:
    """The table, as another process opens it."""
    return OfflineStore(store.root).table(feature_table(WIDER))


def said(table: OfflineTable) -> tuple[object, ...]:
    log = table.log
    return log.refresh(), log.commits, log.documents, log.declared, log.vacuumed


def gathered_file(store: OfflineStore) -> Path:
    return Path(opened(store).uri, "_headrace", "log.json.gz")


def said_by_the_log(store: OfflineStore) -> tuple[object, ...]:
    """What is learnt where nothing is gathered."""
    aside = gathered_file(store).with_suffix(".aside")
    gathered_file(store).rename(aside)
    try:
        return said(opened(store))
    finally:
        aside.rename(gathered_file(store))


class Counting(DeltaTable):
    """A table that says how many commits were read one by one."""

    asked = 0

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        self.asked += limit or self.version()
        return super().history(limit)


def commits_read(table: OfflineTable) -> int:
    table.log.handle = handle = Counting(table.uri)
    table.log.refresh()
    return handle.asked


def test_a_log_is_learnt_as_it_is_and_only_what_came_since_is_read(store: OfflineStore) -> None:
    commit(opened(store), 1, snapshot_rows(1, {}).with_columns(more=None).cast(LATER_SCHEMA))

    assert said(opened(store)) == said_by_the_log(store)
    assert 0 < commits_read(opened(store)) < WORTH_IT / 4


def test_what_came_since_is_gathered_once_it_is_worth_it(store: OfflineStore) -> None:
    before, table = gathered_file(store).read_bytes(), opened(store)

    maintain_table(table, Kept())
    few = gathered_file(store).read_bytes()
    for number in range(WORTH_IT):
        rows = snapshot_rows(0, {1: float(number)}).with_columns(more=None).cast(LATER_SCHEMA)
        commit(table, 0, rows, identity=f"again {number}")
    maintain_table(table, Kept())

    assert few == before
    assert gathered_file(store).read_bytes() != before
    assert said(opened(store)) == said_by_the_log(store)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:200]),
        lambda file: file.write_bytes(file.read_bytes()[:50] + bytes(50) + file.read_bytes()[100:]),
        lambda file: file.write_bytes(b"no gzip"),
        Path.unlink,
    ],
    ids=["empty", "cut short", "holed", "something else", "gone"],
)
def test_a_damaged_file_is_none(store: OfflineStore, damage: Callable[[Path], object]) -> None:
    whole = said(opened(store))

    damage(gathered_file(store))

    assert said(opened(store)) == whole


def test_a_table_that_was_restored_and_went_on_is_not_told_what_it_was_before(
    store: OfflineStore, tmp_path: Path
) -> None:
    """An older copy of the table, over which the newer file was left, has as many commits again."""
    uri, table = Path(opened(store).uri), opened(store)
    shutil.copytree(uri / "_delta_log", tmp_path / "older")
    version = table.log.refresh()
    for number in range(WORTH_IT):
        rows = snapshot_rows(0, {1: float(number)}).with_columns(more=None).cast(LATER_SCHEMA)
        commit(table, 0, rows, identity=f"lost {number}")
    gather(table.uri, {}, version + WORTH_IT, LEARNT)
    shutil.rmtree(uri / "_delta_log")
    shutil.copytree(tmp_path / "older", uri / "_delta_log")
    restored = opened(store)
    for number in range(WORTH_IT):
        rows = snapshot_rows(1, {1: float(number)}).with_columns(more=None).cast(LATER_SCHEMA)
        commit(restored, 1, rows, identity=f"anew {number}")

    found = opened(store).snapshot().commits

    assert found[day(1)].identity == f"anew {WORTH_IT - 1}"
    assert not [each for each in found.values() if each.identity.startswith("lost")]
