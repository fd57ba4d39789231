"""A training set again, whatever happened to its tables since; or what exactly is gone."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from headrace.assets.point_in_time import OfflineStore, replayed_frame, training_frame
from headrace.contract.errors import (
    ContentDiffersError,
    SpineGoneError,
    TableVersionGoneError,
)
from headrace.contract.feature_group import DType, FeatureSpec
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    DAY,
    LAST_BASKET,
    SPEND,
    START,
    commit,
    end,
    snapshot_rows,
    upsert_rows,
)

FEATURES = ["last_basket", "spend:amount"]
VISITS = FeatureSpec("visits", DType.INT64, nullable=True)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    """Two partitions of a snapshot group and of an upsert group."""
    store = OfflineStore(str(tmp_path))
    spend, baskets = table(store), store.table(feature_table(LAST_BASKET))
    for number in range(2):
        commit(spend, number, snapshot_rows(number, {1: 1.0 + number, 2: 2.0}))
        commit(baskets, number, upsert_rows((1, START + number * DAY, 5.0 + number)))
    return store


def table(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(SPEND))


def spine(*rows: tuple[int, datetime]) -> pl.DataFrame:
    schema = {"household_id": pl.Int64(), "event_timestamp": pl.Datetime("us", "UTC")}
    frame = pl.DataFrame(list(rows), schema=schema, orient="row")
    return frame.with_columns(label=pl.int_range(pl.len()))


ASKED = spine((2, end(1)), (1, end(0)), (1, end(1) + 2 * DAY), (9, end(1)))


def correct(store: OfflineStore) -> None:
    commit(table(store), 0, snapshot_rows(0, {1: 100.0}))
    commit(table(store), 1, snapshot_rows(1, {}))
    baskets = store.table(feature_table(LAST_BASKET))
    commit(baskets, 1, upsert_rows((1, START + DAY, 500.0), (9, START + DAY, 9.0)))


def evolve(store: OfflineStore) -> None:
    """Add a feature, and a TTL under which nothing would be known."""
    wider = replace(SPEND, features=(*SPEND.features, VISITS), ttl=DAY / 24)
    rows = snapshot_rows(1, {1: 7.0}).with_columns(visits=pl.lit(4, pl.Int64))
    commit(store.table(feature_table(wider)), 1, rows)


def promote(store: OfflineStore) -> None:
    commit(store.table(feature_table(replace(SPEND, version=2))), 1, snapshot_rows(1, {1: 70.0}))
    CatalogueTable(store).go_live("default", {"spend": 2})


def maintain(store: OfflineStore) -> None:
    """Correct, compact, checkpoint, and remove all files but those of the versions named."""
    correct(store)
    delta = DeltaTable(table(store).uri)
    delta.optimize.compact()
    delta.create_checkpoint()
    kept = sorted(ReceiptStore(store).named_versions()["spend@1"])
    commit(table(store), 0, snapshot_rows(0, {1: 7.0}))
    removed = DeltaTable(table(store).uri).vacuum(
        0, dry_run=False, enforce_retention_duration=False, keep_versions=kept
    )
    assert removed


@pytest.mark.parametrize("happens", [correct, evolve, promote, maintain])
def test_a_set_is_the_same_again_whatever_was_written_since(
    store: OfflineStore, happens: Callable[[OfflineStore], None]
) -> None:
    frame, receipt = training_frame(ASKED, FEATURES, store)

    happens(store)

    assert_frame_equal(replayed_frame(receipt, OfflineStore(store.root)), frame)
    assert_frame_equal(replayed_frame(receipt, OfflineStore(store.root), ASKED), frame)
    now, _ = training_frame(ASKED, FEATURES, OfflineStore(store.root))
    assert not now.equals(frame)  # something did happen


def test_a_set_of_an_earlier_instant_is_the_same_again(store: OfflineStore) -> None:
    first = min(table(store).snapshot().commits.values(), key=lambda each: each.version)
    frame, receipt = training_frame(
        ASKED, [*FEATURES, "spend:store"], store, known_at=first.committed_at
    )
    evolve(store)

    assert frame["last_basket__amount"].null_count() == frame.height  # there was no such table yet
    assert_frame_equal(replayed_frame(receipt, OfflineStore(store.root)), frame)


def test_versions_that_receipts_name_are_listed_for_maintenance(store: OfflineStore) -> None:
    _, receipt = training_frame(ASKED, FEATURES, store)
    correct(store)
    training_frame(ASKED, "spend", store)
    training_frame(ASKED, "last_basket", store, keep_receipt=False)

    assert ReceiptStore(store).named_versions() == {"spend@1": {2, 4}, "last_basket@1": {2}}
    assert receipt.id in ReceiptStore(store).ids()


def test_a_vacuumed_version_is_named(store: OfflineStore) -> None:
    _, receipt = training_frame(ASKED, FEATURES, store)
    correct(store)
    DeltaTable(table(store).uri).vacuum(0, dry_run=False, enforce_retention_duration=False)

    with pytest.raises(TableVersionGoneError) as gone:
        replayed_frame(receipt, OfflineStore(store.root))

    assert str(gone.value).startswith(
        "version 2 of the table of spend@1 is gone: a vacuum removed 2 of the files that hold it"
    )


def test_a_version_known_at_an_instant_that_was_vacuumed_is_named(store: OfflineStore) -> None:
    then = max(each.committed_at for each in table(store).snapshot().commits.values())
    correct(store)
    DeltaTable(table(store).uri).vacuum(0, dry_run=False, enforce_retention_duration=False)

    with pytest.raises(TableVersionGoneError, match=r"version 2 of the table of spend@1 is gone"):
        training_frame(ASKED, "spend", OfflineStore(store.root), known_at=then)


def test_a_dropped_table_is_named_also_when_it_was_made_again(store: OfflineStore) -> None:
    _, receipt = training_frame(ASKED, FEATURES, store)
    shutil.rmtree(table(store).uri)

    with pytest.raises(TableVersionGoneError, match="of spend@1 is gone: the table was dropped"):
        replayed_frame(receipt, OfflineStore(store.root))

    anew = OfflineStore(store.root)
    for number in range(3):
        commit(table(anew), number, snapshot_rows(number, {1: 1.0, 2: 2.0}))
    with pytest.raises(TableVersionGoneError, match="dropped, and made again since"):
        replayed_frame(receipt, anew)


def test_another_spine_is_told_by_its_columns_before_it_is_joined(store: OfflineStore) -> None:
    _, receipt = training_frame(ASKED, FEATURES, store)
    shutil.rmtree(table(store).uri + "/event_date=2018-01-01")  # a join would fail

    for other, columns in (
        (ASKED.with_columns(label=0), ("label",)),
        (ASKED.drop("label"), ("label",)),
        (ASKED.reverse(), ("household_id", "event_timestamp", "label")),
        (ASKED.select(reversed(ASKED.columns)), ()),
    ):
        with pytest.raises(ContentDiffersError) as differs:
            replayed_frame(receipt, OfflineStore(store.root), other)
        assert (differs.value.what, differs.value.columns) == ("spine", columns)


def test_a_spine_that_is_not_kept_is_asked_for(store: OfflineStore) -> None:
    frame, receipt = training_frame(ASKED, FEATURES, store, keep_receipt=False)

    with pytest.raises(SpineGoneError, match="give the spine with --spine"):
        replayed_frame(receipt, store)

    assert_frame_equal(replayed_frame(receipt, store, ASKED), frame)
    assert not (Path(store.root) / "receipts").exists()


def test_a_set_that_is_not_what_the_receipt_says_names_the_columns(store: OfflineStore) -> None:
    _, receipt = training_frame(ASKED, FEATURES, store)
    column = "spend__amount"
    wrong = replace(
        receipt, content_hash="0" * 32, column_hashes={**receipt.column_hashes, column: "0" * 32}
    )

    with pytest.raises(ContentDiffersError) as differs:
        replayed_frame(wrong, store)

    assert (differs.value.what, differs.value.columns) == ("training set", (column,))
    assert f"the receipt says {'0' * 32}: it differs in {column}" in str(differs.value)


def test_an_empty_set_is_empty_again(store: OfflineStore) -> None:
    frame, receipt = training_frame(spine(), FEATURES, store)

    assert_frame_equal(replayed_frame(receipt, store), frame)
