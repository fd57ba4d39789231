from pathlib import Path

import pytest

from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.iceberg.mirrors import Mirror
from headrace.tests.resources.offline.tables import SPEND, commit, snapshot_rows


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setenv("HOME", str(tmp_path))  # where pyiceberg looks for a configuration
    return Mirror(tmp_path, OfflineStore(str(tmp_path / "offline")))


@pytest.fixture
def spend(mirror: Mirror) -> OfflineTable:
    table = mirror.store.table(feature_table(SPEND, buckets=2))
    for number in range(3):
        commit(table, number, snapshot_rows(number, {key: float(key) for key in range(number, 9)}))
    return table
