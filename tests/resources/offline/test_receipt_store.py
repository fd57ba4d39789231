import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.contract.errors import ReceiptUnreadableError, StoreUnavailableError
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.receipt_store import ReceiptStore


@pytest.fixture
def receipts(tmp_path: Path) -> ReceiptStore:
    return ReceiptStore(OfflineStore(str(tmp_path / "offline")))


def naming(**versions: int) -> str:
    tables = [{"group": f"{name}@1", "table_version": each} for name, each in versions.items()]
    return json.dumps({"tables": tables})


def test_an_empty_store_holds_nothing_and_is_not_made_by_looking(
    receipts: ReceiptStore, tmp_path: Path
) -> None:
    assert (receipts.ids(), receipts.named_versions()) == ([], {})
    assert (receipts.read("a"), receipts.spine("a")) == (None, None)
    assert not (tmp_path / "offline").exists()


def test_named_versions_are_those_of_all_receipts(receipts: ReceiptStore) -> None:
    receipts.write("a", naming(spend=3, baskets=1))
    receipts.write("b", naming(spend=5, never_written=-1))
    receipts.write("b", naming(spend=5, never_written=-1))

    assert receipts.ids() == ["a", "b"]
    assert receipts.named_versions() == {"spend@1": {3, 5}, "baskets@1": {1}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tables": [{"group": "spend@1"}]}'])
def test_a_file_that_is_no_receipt_is_named_rather_than_passed_over(
    receipts: ReceiptStore, text: str
) -> None:
    """Maintenance removes what no receipt names: it must not go on without one of them."""
    receipts.write("a", text)

    with pytest.raises(ReceiptUnreadableError, match=r"receipts/a\.json cannot be read"):
        receipts.named_versions()


def test_what_a_killed_writer_left_is_no_receipt(receipts: ReceiptStore, tmp_path: Path) -> None:
    receipts.write("a", naming(spend=3))
    (tmp_path / "offline" / "receipts" / "b.json#1").write_text('{"tabl')

    assert receipts.named_versions() == {"spend@1": {3}}


def test_a_spine_comes_back_as_it_was(receipts: ReceiptStore) -> None:
    spine = pl.DataFrame(
        {"household_id": [1, None], "label": [True, False], "kind": ["a", "b"], "x": [0.1, None]},
        schema_overrides={"kind": pl.Enum(["a", "b"])},
    )

    receipts.write_spine("s", spine)
    receipts.write_spine("s", spine)

    found = receipts.spine("s")
    assert found is not None
    assert_frame_equal(found, spine)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "offline").write_text("a file where a folder should be")
    receipts = ReceiptStore(OfflineStore(str(tmp_path / "offline")))

    with pytest.raises(StoreUnavailableError, match="offline"):
        receipts.write("a", naming())
