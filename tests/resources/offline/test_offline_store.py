from dataclasses import replace
from pathlib import Path

import pytest

from headrace.contract.environment import Environment
from headrace.contract.errors import StoreUnavailableError
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import LAST_BASKET, SPEND, commit, snapshot_rows


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


def test_a_store_that_does_not_exist_yet_has_no_feature_groups(tmp_path: Path) -> None:
    assert OfflineStore(str(tmp_path / "absent")).feature_groups() == {}
    assert not (tmp_path / "absent").exists()


def test_feature_groups_are_known_from_what_was_committed(store: OfflineStore) -> None:
    second = replace(SPEND, version=2)
    for group in (SPEND, second, replace(LAST_BASKET, online=None)):
        commit(store.table(feature_table(group)), 0, snapshot_rows(0, {1: 1.0}))

    groups = OfflineStore(store.root).feature_groups()

    assert groups == {
        "last_basket": {1: replace(LAST_BASKET, online=None)},
        "spend": {1: SPEND, 2: second},
    }


def test_versions_of_a_group_are_tables_of_their_own(store: OfflineStore) -> None:
    first = store.table(feature_table(SPEND))

    commit(store.table(feature_table(replace(SPEND, version=2))), 0, snapshot_rows(0, {1: 1.0}))

    assert first.uri == f"{store.root}/features/spend/v1"
    assert not first.exists()


def test_tables_of_one_store_share_what_they_know(store: OfflineStore) -> None:
    commit(store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))

    assert len(store.table(feature_table(SPEND)).log.commits) == 1


def test_the_environment_names_the_place(tmp_path: Path) -> None:
    environment = Environment.read({"HEADRACE_HOME": str(tmp_path)})
    elsewhere = Environment.read({"HEADRACE_OFFLINE": "s3://bucket/prefix/"})

    assert OfflineStore.from_env(environment).root == str(tmp_path / "offline")
    assert OfflineStore.from_env(elsewhere).root == "s3://bucket/prefix"


def test_a_store_that_does_not_answer_is_named() -> None:
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "not to be shown",
        "AWS_REGION": "us-east-1",
        "max_retries": "0",
    }
    store = OfflineStore("s3://bucket/prefix", options)

    for read in (store.table(feature_table(SPEND)).snapshot, store.feature_groups):
        with pytest.raises(StoreUnavailableError, match="the store at s3://bucket/pre") as refusal:
            read()

        assert not [
            each for each in ("not to be shown", "\n", "\x1b") if each in str(refusal.value)
        ]
