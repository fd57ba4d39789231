import json
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.point_in_time import OfflineStore, Receipt, training_frame
from headrace.assets.training.content_hash import content_hash
from headrace.contract.errors import InvalidArgumentError
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    LAST_BASKET,
    SPEND,
    START,
    commit,
    day,
    end,
    snapshot_rows,
    upsert_rows,
)

UTC_US = pl.Datetime("us", "UTC")


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


@pytest.fixture
def spend(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(SPEND))


@pytest.fixture
def baskets(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(LAST_BASKET))


def spine(*rows: tuple[int, datetime]) -> pl.DataFrame:
    schema = {"household_id": pl.Int64(), "event_timestamp": UTC_US}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def test_a_receipt_says_what_a_frame_was_made_of(
    store: OfflineStore, spend: OfflineTable, baskets: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    made = commit(baskets, 0, upsert_rows((1, START, 1.0)))
    asked = spine((1, end(0)), (2, end(0)))

    frame, receipt = training_frame(
        asked, ["last_basket:amount", "spend:amount"], store, known_at=made.committed_at
    )

    document = spend.snapshot().commits[day(0)].document
    assert json.loads(receipt.to_json()) == {
        "format": 1,
        "id": receipt.id,
        "made_by": f"headrace {version('headrace')}",
        "namespace": "default",
        "features": ["last_basket@1:amount", "spend@1:amount"],
        "tables": [
            {
                "group": group,
                "table_id": str(table.log.opened().metadata().id),
                "table_version": 1,
                "document": document,
            }
            for group, table, document in (
                ("last_basket@1", baskets, made.document),
                ("spend@1", spend, document),
            )
        ],
        "known_at": made.committed_at.isoformat(),
        "rows": 2,
        "spine_hash": content_hash(asked),
        "spine_parts": [{"name": f"{content_hash(asked)}-0", "rows": 2}],
        "null_counts": {"last_basket__amount": 1, "spend__amount": 1},
        "column_hashes": [
            {"name": name, "hash": each} for name, each in receipt.column_hashes.items()
        ],
        "content_hash": content_hash(frame),
    }
    assert list(receipt.column_hashes) == frame.columns
    assert Receipt.from_json(receipt.to_json()) == receipt


def test_equal_frames_have_equal_receipts_and_others_do_not(
    store: OfflineStore, spend: OfflineTable
) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    asked = spine((1, end(0)), (2, end(0)))

    _, one = training_frame(asked, ["spend"], store, known_at=first.committed_at)
    commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.5}))
    _, same = training_frame(asked, ["spend"], store, known_at=first.committed_at)
    _, other = training_frame(asked, ["spend"], store)
    _, turned = training_frame(asked.reverse(), ["spend"], store, known_at=first.committed_at)

    assert same == one
    assert other.content_hash != one.content_hash
    assert (turned.spine_hash != one.spine_hash, turned.null_counts) == (True, one.null_counts)


def test_sets_of_the_same_have_the_same_id_whoever_made_them_and_however_cut(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    _, receipt = training_frame(spine((1, end(0))), "spend", store)

    fields = json.loads(receipt.to_json())
    later = Receipt.from_json(json.dumps({**fields, "made_by": "headrace 9", "spine_parts": []}))
    other = Receipt.from_json(json.dumps({**fields, "rows": 2}))
    assert later.id == receipt.id
    assert other.id != receipt.id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spine", "receipt: it is no receipt: line 1 is no JSON"),
        ("[]", "it is no receipt"),
        ('{"format": 1}', "it is no receipt: 'known_at' is missing"),
        (
            '{"format": 1, "known_at": null, "tables": [], "features": ["g@1:f"]}',
            "it is no receipt: 'g@1:f' is missing",
        ),
        ('{"format": 2}', "its format is 2, and this release reads receipts of format 1"),
    ],
)
def test_what_is_no_receipt_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        Receipt.from_json(text)

    assert said in str(refusal.value)
