from pathlib import Path

import pytest

from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import LAST_BASKET, SPEND


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path / "a store"))  # with a space: addresses are not URLs


@pytest.fixture
def spend(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(SPEND))


@pytest.fixture
def baskets(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(LAST_BASKET))
