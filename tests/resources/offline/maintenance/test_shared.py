"""The catalogue stays small, and spines go with the last receipt that names them."""

import json
import os
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.contract.errors import ReceiptUnreadableError
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.offline.maintenance.shared import maintain_shared
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.receipt_store import ReceiptStore

WEEK = timedelta(days=7)
SPINE = pl.DataFrame({"household_id": [1]})
FLIPS = 40


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


def aged(path: Path, days: float) -> None:
    """Make a file as old as if it had been written so many days ago."""
    at = time.time() - days * 86_400
    os.utime(path, (at, at))


def test_a_catalogue_of_many_events_becomes_one_file_and_says_the_same_of_every_instant(
    store: OfflineStore, tmp_path: Path
) -> None:
    catalogue = CatalogueTable(store)
    for number in range(FLIPS):
        catalogue.go_live("default", {"spend": number % 2 + 1})
    table = DeltaTable(tmp_path / "catalogue")
    instants = pl.DataFrame(table.to_pyarrow_table())["recorded_at"].to_list()
    before = [catalogue.read("default", each) for each in [None, *instants]]

    done = maintain_shared(store, WEEK)

    assert (done.events_compacted, done.files_removed) == (FLIPS, 0)
    assert len(DeltaTable(tmp_path / "catalogue").file_uris()) == 1
    assert (tmp_path / "catalogue/_delta_log/_last_checkpoint").exists()
    assert [CatalogueTable(store).read("default", each) for each in [None, *instants]] == before

    assert table.to_pyarrow_table().num_rows == FLIPS  # whoever had opened it still reads it
    assert maintain_shared(store, timedelta(0)).files_removed == FLIPS
    assert maintain_shared(store, timedelta(0)).events_compacted == 0
    after = CatalogueTable(store).go_live("default", {"spend": 1})
    assert (after.sequence, after.live) == (FLIPS + 1, {"spend": 1})


def test_a_store_without_a_catalogue_or_receipts_is_left_alone(
    store: OfflineStore, tmp_path: Path
) -> None:
    maintain_shared(store)

    assert list(tmp_path.iterdir()) == []


def test_spines_go_when_no_receipt_names_them_and_they_have_waited_long_enough(
    store: OfflineStore, tmp_path: Path
) -> None:
    receipts = ReceiptStore(store)
    for name in ("named", "forgotten", "waiting"):
        receipts.write_spine(name, SPINE)
    for name in ("named", "forgotten"):
        aged(tmp_path / f"receipts/spines/{name}.parquet", days=8)
    receipts.write("a", json.dumps({"tables": [], "spine_parts": [{"name": "named", "rows": 1}]}))

    assert maintain_shared(store, WEEK).spines_removed == 1
    assert maintain_shared(store, WEEK).spines_removed == 0

    assert receipts.spine("forgotten") is None
    assert receipts.spine("named") is not None
    assert receipts.spine("waiting") is not None


def test_an_old_spine_that_is_needed_again_waits_for_its_receipt_as_a_new_one(
    store: OfflineStore, tmp_path: Path
) -> None:
    receipts = ReceiptStore(store)
    receipts.write_spine("again", SPINE)
    aged(tmp_path / "receipts/spines/again.parquet", days=8)

    receipts.write_spine("again", SPINE)

    assert maintain_shared(store, WEEK).spines_removed == 0
    assert receipts.spine("again") is not None


def test_nothing_is_removed_where_a_receipt_cannot_be_read(
    store: OfflineStore, tmp_path: Path
) -> None:
    receipts = ReceiptStore(store)
    receipts.write_spine("forgotten", SPINE)
    aged(tmp_path / "receipts/spines/forgotten.parquet", days=8)
    receipts.write("a", '{"tables": []}')

    with pytest.raises(ReceiptUnreadableError, match=r"receipts/a\.json"):
        maintain_shared(store, WEEK)
    assert receipts.spine("forgotten") is not None
