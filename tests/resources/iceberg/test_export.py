from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from headrace.contract.errors import InputNotCommittedError, StoreUnavailableError
from headrace.contract.feature_group import DType, FeatureSpec
from headrace.resources.iceberg.catalog import open_catalog
from headrace.resources.iceberg.export import DELTA_VERSION, export_group
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.iceberg.mirrors import Mirror, assert_mirrored
from headrace.tests.resources.offline.tables import (
    SPEND,
    commit,
    day,
    snapshot_rows,
)

VISITS = FeatureSpec("visits", DType.INT64, nullable=True)
SHOPS = FeatureSpec("shops", DType.INT64_LIST, nullable=True)


def test_the_first_export_shows_all_that_is_committed(mirror: Mirror, spend: OfflineTable) -> None:
    export = mirror.export()

    assert (export.table, export.table_version) == ("headrace.spend", spend.snapshot().version)
    assert (export.added, export.removed, export.files, export.rows) == (6, 0, 6, 24)
    assert_mirrored(mirror, spend)


def test_no_row_is_copied(mirror: Mirror, spend: OfflineTable, tmp_path: Path) -> None:
    mirror.export()

    assert {*tmp_path.rglob("*.parquet")} == {Path(uri) for uri in spend.snapshot().files()}


def test_a_repeated_export_writes_nothing(mirror: Mirror, spend: OfflineTable) -> None:
    first = mirror.export()

    again = mirror.export()

    assert spend.exists()
    assert again == replace(first, added=0, no_op=True)
    assert mirror.snapshots() == 1


def test_a_new_partition_is_added_to_what_was_there(mirror: Mirror, spend: OfflineTable) -> None:
    mirror.export()
    commit(spend, 3, snapshot_rows(3, {1: 1.0, 2: 2.0, 3: 3.0}))

    export = mirror.export()

    assert (export.added, export.removed) == (2, 0)
    assert_mirrored(mirror, spend)


def test_a_correction_replaces_the_rows_of_its_partition(
    mirror: Mirror, spend: OfflineTable
) -> None:
    mirror.export()
    commit(spend, 1, snapshot_rows(1, {1: -1.0, 2: -2.0, 3: -3.0}))

    export = mirror.export()

    assert (export.added, export.removed) == (2, 2)
    assert_mirrored(mirror, spend)


def test_what_came_and_went_is_one_snapshot(mirror: Mirror, spend: OfflineTable) -> None:
    mirror.export()
    commit(spend, 1, snapshot_rows(1, {1: -1.0}))
    commit(spend, 3, snapshot_rows(3, {1: 1.0}))

    export = mirror.export()

    with mirror.table() as table:
        (first, second) = table.metadata.snapshots
        assert second.parent_snapshot_id == first.snapshot_id
        assert second.snapshot_id == export.snapshot_id
        assert second.summary is not None
        assert second.summary[DELTA_VERSION] == str(spend.snapshot().version)
    assert_mirrored(mirror, spend)


class Interrupted:
    """A catalog whose first answer is stale: somebody else exports before it is acted upon."""

    def __init__(self, catalog: Catalog, interruption: Callable[[], object]) -> None:
        self._catalog = catalog
        self._interruptions = [interruption]

    def __getattr__(self, name: str) -> object:
        return getattr(self._catalog, name)

    def load_table(self, identifier: str) -> Table:
        try:
            return self._catalog.load_table(identifier)
        finally:
            while self._interruptions:
                self._interruptions.pop()()


@pytest.mark.parametrize("is_first", [True, False], ids=["the first one", "a later one"])
def test_an_export_that_another_one_overtakes_registers_no_file_twice(
    mirror: Mirror, spend: OfflineTable, *, is_first: bool
) -> None:
    if not is_first:
        mirror.export()
    commit(spend, 0, snapshot_rows(0, {1: -1.0}))
    commit(spend, 3, snapshot_rows(3, {1: 1.0, 2: 2.0}))

    with open_catalog(mirror.environment, mirror.store) as catalog:
        interrupted = cast("Catalog", Interrupted(catalog, mirror.export))
        export = export_group(mirror.store, interrupted, "spend")

    assert export.no_op
    assert mirror.snapshots() == (1 if is_first else 2)
    assert_mirrored(mirror, spend)


def test_an_emptied_partition_is_empty(mirror: Mirror, spend: OfflineTable) -> None:
    mirror.export()
    commit(spend, 1, snapshot_rows(1, {}))

    export = mirror.export()

    assert (export.added, export.removed) == (0, 2)
    assert_mirrored(mirror, spend)


def test_a_commit_without_rows_is_no_snapshot(mirror: Mirror, spend: OfflineTable) -> None:
    before = mirror.export()
    commit(spend, 7, snapshot_rows(7, {}))

    export = mirror.export()

    assert export.table_version == before.table_version + 1
    assert export.snapshot_id == before.snapshot_id
    assert mirror.export().no_op


def test_a_group_without_a_row_has_a_table(mirror: Mirror) -> None:
    commit(mirror.store.table(feature_table(SPEND)), 0, snapshot_rows(0, {}))

    export = mirror.export()

    assert (export.snapshot_id, export.files, export.rows) == (None, 0, 0)
    assert mirror.read().columns == ["household_id", "event_timestamp", "amount", "store"]


@pytest.mark.parametrize("position", [0, 2], ids=["before the others", "behind them"])
def test_an_added_feature_is_null_in_older_rows(
    mirror: Mirror, spend: OfflineTable, position: int
) -> None:
    mirror.export()
    features = [*SPEND.features[:position], VISITS, SHOPS, *SPEND.features[position:]]
    wider = mirror.store.table(feature_table(replace(SPEND, features=tuple(features)), buckets=2))
    rows = snapshot_rows(3, {1: 1.0}).with_columns(
        visits=pl.lit(2, pl.Int64), shops=pl.lit([1, 3], pl.List(pl.Int64))
    )
    commit(wider, 3, rows.select(wider.spec.schema.names()))

    export = mirror.export()

    assert export.columns == ("visits", "shops")
    assert spend.spec.schema.names() != wider.spec.schema.names()
    assert_mirrored(mirror, wider)
    assert mirror.read("visits is not null", ["household_id"]).rows() == [(1,)]


def test_compaction_changes_files_and_no_row(mirror: Mirror, spend: OfflineTable) -> None:
    more = snapshot_rows(0, {100: 1.0, 101: 2.0}).with_columns(
        event_date=pl.lit(day(0)), entity_bucket=pl.lit(0, pl.Int32)
    )
    write_deltalake(spend.uri, more.to_arrow(), mode="append")
    before = mirror.export()
    assert DeltaTable(spend.uri).optimize.compact()["numFilesRemoved"] == 2

    export = mirror.export()

    assert (export.added, export.removed, export.rows) == (1, 2, before.rows)
    assert_mirrored(mirror, spend)


def test_a_group_that_was_never_committed_is_named(mirror: Mirror) -> None:
    with pytest.raises(InputNotCommittedError, match="materialize offline/spend first"):
        mirror.export()


def test_the_catalog_can_be_another_one(
    mirror: Mirror, spend: OfflineTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__HEADRACE__URI", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("PYICEBERG_CATALOG__HEADRACE__WAREHOUSE", f"file://{tmp_path}/warehouse")

    export = mirror.export()

    assert export.metadata.startswith(f"file://{tmp_path}/warehouse/headrace/spend/")
    assert not (tmp_path / "iceberg.db").exists()
    assert_mirrored(mirror, spend)


def test_a_catalog_that_does_not_answer_is_named_without_its_password(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "PYICEBERG_CATALOG__HEADRACE__URI", "sqlite:///user:secret@/no/such/folder/c.db"
    )

    with (
        pytest.raises(StoreUnavailableError, match="unable to open database file") as refusal,
        open_catalog(mirror.environment, mirror.store),
    ):
        pass

    assert "secret" not in str(refusal.value)
