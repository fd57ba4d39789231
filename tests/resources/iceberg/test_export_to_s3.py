"""Exports of an offline store that lies on a real S3, and exports at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace.resources.iceberg.export import DELTA_VERSION
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.object_store import SECRET_KEY, ObjectStore
from headrace.tests.resources.iceberg.mirrors import Mirror, committed
from headrace.tests.resources.offline.tables import SPEND, commit, snapshot_rows

pytestmark = pytest.mark.server


@pytest.fixture
def mirror(object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Mirror(tmp_path, object_store.offline())


def test_a_store_on_s3_is_exported_with_what_delta_was_told_of_it(
    mirror: Mirror, object_store: ObjectStore
) -> None:
    table = mirror.store.table(feature_table(SPEND))
    commit(table, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    commit(table, 1, snapshot_rows(1, {1: 1.0}))
    mirror.export()
    commit(table, 0, snapshot_rows(0, {1: 9.0}))

    export = mirror.export()

    assert export.metadata.startswith(f"{object_store.root}/iceberg/headrace/spend/metadata/")
    assert (export.added, export.removed, export.rows) == (1, 1, 2)
    assert mirror.read().equals(committed(table))
    assert mirror.read("event_timestamp > '2018-01-02T00:00:00+00:00'").height == 1
    assert mirror.files() == set(table.snapshot().files())


def test_credentials_come_from_the_environment_too_and_are_not_stored(
    mirror: Mirror, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit(mirror.store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    mirror.store.storage_options.clear()

    mirror.export()

    with mirror.table() as exported:
        assert SECRET_KEY not in exported.metadata.model_dump_json()
    assert SECRET_KEY.encode() not in (tmp_path / "iceberg.db").read_bytes()


def test_exports_at_once_show_the_newest_version_once(mirror: Mirror) -> None:
    """Whoever loses the race finds out anew what is left to do: no file is registered twice."""
    table = mirror.store.table(feature_table(SPEND))
    for number in range(3):
        commit(table, number, snapshot_rows(number, {1: 1.0, 2: 2.0}))
        with ThreadPoolExecutor(3) as pool:
            exports = list(pool.map(lambda _: mirror.export(), range(3)))

        assert {export.table_version for export in exports} == {table.snapshot().version}
        assert mirror.read().equals(committed(table))
    with mirror.table() as exported:
        assert exported.properties[DELTA_VERSION] == str(table.snapshot().version)
        assert len(exported.metadata.snapshots) == 3
