import json
import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from headrace.contract.errors import TableVersionGoneError
from headrace.resources.offline.maintenance.checkpoint import checkpoint
from headrace.resources.offline.maintenance.vacuum import Vacuum, vacuum
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import (
    KeyedPartitions,
    TableKind,
    TableSpec,
    feature_table,
)
from headrace.tests.resources.offline.maintenance.scattering import files_on_disk
from headrace.tests.resources.offline.tables import DAY, SPEND, commit, day, snapshot_rows

NOW = timedelta(0)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path / "a store"))


@pytest.fixture
def spend(store: OfflineStore) -> OfflineTable:
    """Day 0 in five generations, versions 1 to 5, and day 1 at version 6."""
    table = store.table(feature_table(SPEND))
    for generation in range(5):
        commit(table, 0, snapshot_rows(0, {1: float(generation)}))
    commit(table, 1, snapshot_rows(1, {1: 100.0}))
    return table


def amounts(table: OfflineTable, version: int) -> list[float] | None:
    """The amounts at a version; `None` when it is gone."""
    try:
        return table.snapshot(version=version).scan().collect()["amount"].to_list()
    except TableVersionGoneError:
        return None


def grow_old(table: OfflineTable, name: str, age: timedelta) -> None:
    file = Path(table.uri, name)
    then = file.stat().st_mtime - age.total_seconds()
    os.utime(file, (then, then))


def test_the_newest_and_the_kept_versions_stay_readable_and_others_go(spend: OfflineTable) -> None:
    removed = vacuum(spend, keep=[2, 4], min_age=NOW)

    assert removed.files == 2
    assert removed.size > 0
    assert {version: amounts(spend, version) for version in range(1, 7)} == {
        1: None,
        2: [1.0],
        3: None,
        4: [3.0],
        5: [4.0],
        6: [4.0, 100.0],
    }


def test_what_was_committed_is_known_for_ever(spend: OfflineTable, store: OfflineStore) -> None:
    before, entries = spend.snapshot(), list(spend.log.commits)

    vacuum(spend, keep=[], min_age=NOW)
    checkpoint(spend)

    anew = OfflineStore(store.root).table(spend.spec)
    assert anew.snapshot().commits == before.commits
    assert anew.log.commits == entries
    assert anew.snapshot().document == before.document


def test_a_second_vacuum_removes_nothing_and_commits_nothing(spend: OfflineTable) -> None:
    vacuum(spend, keep=[2], min_age=NOW)
    version = spend.snapshot().version

    assert vacuum(spend, keep=[2], min_age=NOW) == Vacuum(0, 0)
    assert spend.snapshot().version == version


def test_a_dry_run_removes_nothing(spend: OfflineTable) -> None:
    planned = vacuum(spend, keep=[], min_age=NOW, dry_run=True)

    assert planned.files == 4
    assert planned.size > 0
    assert files_on_disk(spend) == 6
    assert vacuum(spend, keep=[], min_age=NOW) == planned


def test_what_was_replaced_lately_stays(spend: OfflineTable) -> None:
    """However long ago it was written: another reader may just read it."""
    for file in spend.snapshot(version=4).files():
        grow_old(spend, file.removeprefix(f"{spend.uri}/"), 30 * DAY)

    assert vacuum(spend, keep=[]) == Vacuum(0, 0)


@pytest.mark.parametrize("min_age", [timedelta(hours=1), 30 * DAY])
def test_what_was_replaced_lately_stays_also_where_delta_forgot_it(
    spend: OfflineTable, min_age: timedelta
) -> None:
    """A checkpoint drops tombstones after a while; delta-rs then looks at the file's time alone."""
    for version in range(1, 7):
        for file in spend.snapshot(version=version).files():
            grow_old(spend, file.removeprefix(f"{spend.uri}/"), timedelta(hours=10_000 / version))
    property_ = {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
    DeltaTable(spend.uri).alter.set_table_properties(property_)
    DeltaTable(spend.uri).create_checkpoint()

    assert vacuum(spend, keep=[], min_age=min_age) == Vacuum(0, 0)


def test_files_that_nobody_committed_go_once_they_are_old(spend: OfflineTable) -> None:
    """A writer that died left them behind; one that lives has written its own just now."""
    stored = spend.snapshot().files([day(1)])[0]
    folder = Path(stored).parent
    for name in ("dead.parquet", "alive.parquet"):
        (folder / name).write_bytes(Path(stored).read_bytes())
    grow_old(spend, f"{folder.relative_to(spend.uri)}/dead.parquet", 8 * DAY)

    assert vacuum(spend, keep=[]).files == 1
    assert (folder / "alive.parquet").exists()


def test_versions_that_are_not_there_are_not_kept(spend: OfflineTable) -> None:
    """A receipt may name a version of a table that was removed and begun anew."""
    assert vacuum(spend, keep=[-1, 99], min_age=NOW).files == 4


def test_partitions_of_any_name_keep_their_files(store: OfflineStore) -> None:
    columns = (("a", pl.Int64()),)
    cut = KeyedPartitions()
    spec = TableSpec(TableKind.PLAIN, "odd", 1, columns, cut, None, stamped_at_end=False, key=())
    table = store.table(spec)
    keys = ("a b", "ü/x", "50%", "a:b", "x%20y", "q'r")
    for number in range(2):
        for key in keys:
            table.commit(
                key,
                pl.DataFrame({"a": [number]}),
                identity=str(number),
                run_id="r",
                code_version="",
                verdicts={},
            )

    removed = vacuum(table, keep=[3], min_age=NOW)

    assert removed.files == 3
    assert table.snapshot().scan().collect()["a"].to_list() == [1] * 6
    assert table.snapshot(version=3).scan().collect()["a"].to_list() == [0] * 3
    with pytest.raises(TableVersionGoneError):
        table.snapshot(version=6).scan()


def test_a_reader_of_a_version_that_is_gone_is_told_so(spend: OfflineTable) -> None:
    held = spend.snapshot(version=3)
    vacuum(spend, keep=[], min_age=NOW)

    with pytest.raises(TableVersionGoneError) as refusal:
        held.scan([day(0)])

    message = str(refusal.value)
    assert message.startswith("version 3 of the table of spend@1 is gone: a vacuum")
    assert "event_date=2018-01-01" in message
    assert "read a newer version" in message


def test_the_partitions_of_a_version_that_were_not_replaced_since_are_readable(
    spend: OfflineTable,
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 7.0}))
    vacuum(spend, keep=[], min_age=NOW)

    assert amounts(spend, 6) is None
    assert spend.snapshot(version=6).scan([day(1)]).collect()["amount"].to_list() == [100.0]


def test_a_vacuum_by_other_tools_is_noticed(spend: OfflineTable, store: OfflineStore) -> None:
    DeltaTable(spend.uri).vacuum(0, dry_run=False, enforce_retention_duration=False)

    with pytest.raises(TableVersionGoneError):
        store.table(spend.spec).snapshot(version=1).scan()


def test_a_checkpoint_is_written_where_there_is_none_of_the_newest_version(
    spend: OfflineTable,
) -> None:
    assert checkpoint(spend, dry_run=True) == 6
    assert checkpoint(spend) == 6
    assert checkpoint(spend) is None

    commit(spend, 1, snapshot_rows(1, {}))

    assert checkpoint(spend) == 7


def test_a_checkpoint_cleans_nothing_of_the_log(spend: OfflineTable) -> None:
    log = Path(spend.uri, "_delta_log")
    for file in log.glob("*.json"):
        os.utime(file, (0, 1))

    checkpoint(spend)

    assert sorted(int(file.stem) for file in log.glob("*.json")) == list(range(7))
    last = json.loads((log / "_last_checkpoint").read_text())
    assert last["version"] == 6
    assert spend.snapshot().commits[day(0)].generation == 5


def test_a_version_of_nothing_new_is_no_reason_to_remove(spend: OfflineTable) -> None:
    write_deltalake(
        DeltaTable(spend.uri), pl.DataFrame(schema=spend.spec.stored_schema), mode="append"
    )

    assert vacuum(spend, keep=range(8), min_age=NOW) == Vacuum(0, 0)
