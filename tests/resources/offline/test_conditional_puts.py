import pytest

from headrace.contract.errors import StoreUnavailableError, UnsafeStoreError
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.object_store import SECRET_KEY, ObjectStore
from headrace.tests.resources.offline.tables import SPEND, commit, snapshot_rows


@pytest.mark.server
def test_a_store_that_keeps_conditional_writes_is_accepted_and_left_as_it_was(
    object_store: ObjectStore,
) -> None:
    object_store.offline().check()

    assert object_store.keys() == []


@pytest.mark.server
def test_a_store_that_ignores_them_is_refused_before_anything_is_committed(
    unsafe_object_store: ObjectStore,
) -> None:
    store = unsafe_object_store.offline()

    with pytest.raises(UnsafeStoreError, match=r"offline store at s3://.* would lose commits"):
        store.check()
    with pytest.raises(UnsafeStoreError):
        commit(store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))
    with pytest.raises(UnsafeStoreError):
        CatalogueTable(store).go_live("default", {"spend": 1})

    assert unsafe_object_store.keys() == []


@pytest.mark.server
def test_a_store_is_asked_once(object_store: ObjectStore) -> None:
    """An address that nobody could write to by now would fail a second probe."""
    store = object_store.offline()
    store.check()
    store.storage_options["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"

    store.check()


@pytest.mark.server
def test_a_bucket_that_is_not_there_is_named_without_credentials(
    object_store: ObjectStore,
) -> None:
    store = OfflineStore("s3://no-such-bucket/offline", object_store.variables)

    with pytest.raises(StoreUnavailableError, match="the store at s3://no-such-bucket") as refusal:
        store.check()

    assert SECRET_KEY not in str(refusal.value)
