"""A table whose log is damaged says which file it is, and what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from headrace.contract.errors import DamagedTableError, StoreUnavailableError
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.offline.history_refresh import refresh_history
from headrace.resources.offline.maintenance.checkpoint import checkpoint
from headrace.resources.offline.maintenance.maintained import Kept, maintain_table
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import SPEND, commit, day, snapshot_rows

NEWEST = 3


@pytest.fixture
def spend(tmp_path: Path) -> OfflineTable:
    """Versions 1 to 3 are a day each."""
    table = opened(tmp_path)
    for number in range(NEWEST):
        commit(table, number, snapshot_rows(number, {1: 1.0}))
    return table


def opened(tmp_path: Path) -> OfflineTable:
    return OfflineStore(str(tmp_path)).table(feature_table(SPEND))


def commit_file(table: OfflineTable, version: int) -> Path:
    return Path(table.uri, "_delta_log", f"{version:020}.json")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("version", "damage", "said"),
    [
        (0, Path.unlink, "00000.json is missing; restore the file"),
        (2, Path.unlink, "00002.json is missing; restore the file"),
        (2, cut_short, r"00002.json cannot be read \(.*\); restore the file from a copy.*store$"),
        (NEWEST, cut_short, "00003.json cannot be read .* or remove it and do again"),
        # As a loss of power leaves files that were not on the disk yet: delta-rs passes them over.
        (2, lambda path: path.write_bytes(b""), r"00002.json cannot be read \(it is empty\)"),
        (NEWEST, lambda path: path.write_bytes(b""), r"00003.json cannot be read \(it is empty\)"),
    ],
)
def test_a_damaged_commit_is_named_whoever_comes(
    spend: OfflineTable, version: int, damage: Callable[[Path], None], said: str
) -> None:
    damage(commit_file(spend, version))

    table = opened(Path(spend.uri).parents[2])
    for act in (
        table.snapshot,
        lambda: maintain_table(table, Kept()),
        lambda: commit(table, 7, snapshot_rows(7, {1: 1.0})),
    ):
        with pytest.raises(DamagedTableError, match=said) as raised:
            act()
        assert (raised.value.table, raised.value.version) == (table.uri, version)


def test_a_newest_commit_that_is_removed_as_said_can_be_made_again(
    spend: OfflineTable, tmp_path: Path
) -> None:
    commit_file(spend, NEWEST).write_bytes(b"")
    commit_file(spend, NEWEST).unlink()

    table = opened(tmp_path)
    again = commit(table, NEWEST - 1, snapshot_rows(NEWEST - 1, {1: 1.0}))

    assert (again.version, again.generation) == (NEWEST, 1)
    assert table.snapshot().scan().collect().height == NEWEST


def test_entries_that_cannot_be_read_are_refused_each_time_and_nothing_is_learnt_twice(
    spend: OfflineTable, tmp_path: Path
) -> None:
    path = commit_file(spend, NEWEST)
    whole = path.read_text()
    path.write_text(whole.replace("generation", "degeneration"))

    table = opened(tmp_path)
    for _ in range(2):
        with pytest.raises(DamagedTableError, match=r"at version 3: .*upgrade this process"):
            table.snapshot()
    path.write_text(whole)

    assert [each.version for each in table.log.commits] == [1, 2]
    assert list(table.snapshot().commits) == [day(number) for number in range(NEWEST)]


def test_a_damaged_checkpoint_is_removed_and_written_again(
    spend: OfflineTable, tmp_path: Path
) -> None:
    assert checkpoint(spend) == NEWEST
    log = Path(spend.uri, "_delta_log")
    (written,) = log.glob("*.checkpoint.parquet")
    cut_short(written)

    with pytest.raises(DamagedTableError, match="remove it and _delta_log/_last_checkpoint"):
        opened(tmp_path).snapshot()
    written.unlink()
    with pytest.raises(DamagedTableError, match="_last_checkpoint names a checkpoint"):
        opened(tmp_path).snapshot()
    (log / "_last_checkpoint").unlink()

    assert checkpoint(opened(tmp_path)) == NEWEST
    (log / "_last_checkpoint").write_text('{"vers')  # only a hint
    assert checkpoint(opened(tmp_path)) == NEWEST


def test_a_log_that_was_cleaned_up_does_not_forget_partitions_silently(
    spend: OfflineTable, tmp_path: Path
) -> None:
    """Not by us, who keep all of it; delta-rs itself needs only what lies behind a checkpoint."""
    checkpoint(spend)
    for version in (0, 1):
        commit_file(spend, version).unlink()

    with pytest.raises(DamagedTableError, match=r"00000\.json is missing"):
        opened(tmp_path).snapshot()


def test_a_commit_that_says_nothing_of_itself_moves_no_other(
    spend: OfflineTable, tmp_path: Path
) -> None:
    path = commit_file(spend, 2)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "commitInfo" not in line))

    versions = {key: each.version for key, each in opened(tmp_path).snapshot().commits.items()}

    assert versions == {day(0): 1, day(2): 3}


def test_a_log_that_cannot_be_read_file_by_file_is_unavailable(spend: OfflineTable) -> None:
    class PassedOver(DeltaTable):
        def history(self, limit: int | None = None) -> list[dict[str, Any]]:
            return super().history(limit)[:0]

    table = opened(Path(spend.uri).parents[2])
    table.log.handle = PassedOver(table.uri)
    commit_file(spend, 1).unlink()
    commit_file(spend, 1).mkdir()  # which nobody can read as a file

    with pytest.raises(StoreUnavailableError, match="is directory"):
        table.snapshot()


def test_a_damaged_catalogue_and_a_damaged_history_name_themselves(
    spend: OfflineTable, tmp_path: Path
) -> None:
    store = OfflineStore(str(tmp_path))
    CatalogueTable(store).go_live("default", {"spend": 1})
    refresh_history(spend)
    cut_short(tmp_path / "catalogue/_delta_log" / commit_file(spend, 1).name)
    cut_short(tmp_path / "history/spend/v1/_delta_log" / commit_file(spend, 1).name)

    with pytest.raises(DamagedTableError, match=r"/catalogue is damaged at version 1"):
        CatalogueTable(store).read("default")
    commit(spend, 9, snapshot_rows(9, {1: 1.0}))
    with pytest.raises(DamagedTableError, match=r"/history/spend/v1 is damaged at version 1"):
        refresh_history(spend)


def test_a_damaged_file_of_the_catalogue_is_named(tmp_path: Path) -> None:
    catalogue = CatalogueTable(OfflineStore(str(tmp_path)))
    catalogue.go_live("default", {"spend": 1})
    (rows,) = (tmp_path / "catalogue").glob("*.parquet")
    cut_short(rows)

    with pytest.raises(DamagedTableError, match=rows.name):
        catalogue.read("default")


def test_an_object_store_that_refuses_is_not_waited_for_long() -> None:
    nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true"}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    store = OfflineStore("s3://bucket/offline", {**nobody, **keys})

    with pytest.raises(Exception, match="after 5 retries"):
        store.feature_groups()
    with pytest.raises(Exception, match="after 5 retries"):
        store.table(feature_table(SPEND)).snapshot().scan_files([f"{store.root}/x"]).collect()
