from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from headrace.contract.errors import InvalidArgumentError
from headrace.contract.feature_group import DType, Online
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.rows import Value
from headrace.contract.status import Status
from headrace.serving.contract_messages import contract_message, group_contract
from headrace.serving.group_rows import GroupRows
from headrace.tests.serving.answering import look_up
from headrace.tests.serving.publishing import NOW, VISIT, Memory, Publisher, group

EVERY_TYPE: dict[DType, Value] = {
    DType.BOOL: True,
    DType.INT32: -(2**31),
    DType.INT64: 2**53 + 1,
    DType.FLOAT32: 0.5,
    DType.FLOAT64: 0.1,
    DType.STRING: "naïve ✓",
    DType.BYTES: b"\x00\xff",
    DType.DATE: date(2017, 12, 25),
    DType.TIMESTAMP: datetime(2017, 12, 25, 1, 2, 3, 456789, tzinfo=UTC),
    DType.FLOAT32_LIST: [0.5, -0.0],
    DType.FLOAT64_LIST: [],
    DType.INT64_LIST: [2**63 - 1],
}
STALE = NOW - timedelta(days=4)


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def publisher(memory: Memory) -> Publisher:
    return Publisher(memory, "default")


def test_numbers_become_float64_and_what_is_not_present_nan(
    publisher: Publisher, memory: Memory
) -> None:
    features = {
        "a": DType.BOOL,
        "b": DType.INT32,
        "c": DType.INT64,
        "d": DType.FLOAT32,
        "e": DType.FLOAT64,
    }
    publisher.publish(
        group(features=features), {(1,): (True, 2, 3, 0.5, np.inf), (2,): (None,) * 5}
    )

    matrix = look_up(memory, ["household_spend"], {"household_id": [1, 2, 3]}).to_numpy()

    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(
        matrix, [[1.0, 2.0, 3.0, 0.5, np.inf], [np.nan] * 5, [np.nan] * 5]
    )


def test_numpy_is_refused_for_features_that_are_no_numbers(
    publisher: Publisher, memory: Memory
) -> None:
    features = {"a": DType.INT32, "b": DType.STRING, "c": DType.FLOAT64_LIST}
    publisher.publish(group(features=features), {})
    got = look_up(memory, ["household_spend"], {"household_id": [1]})

    with pytest.raises(InvalidArgumentError, match="household_spend__b, household_spend__c"):
        got.to_numpy()


def test_arrow_keeps_the_types_of_join_keys_and_features(
    publisher: Publisher, memory: Memory
) -> None:
    features = {dtype.name.lower(): dtype for dtype in EVERY_TYPE}
    spec = group("everything", features=features, entity=VISIT)
    publisher.publish(spec, {(1, "a"): tuple(EVERY_TYPE.values())})

    got = look_up(memory, ["everything"], {"household_id": [1, 2], "store_id": ["a", "b"]})

    table = got.to_arrow()
    assert table.to_pylist() == got.to_dicts()
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "household_id": pa.int64(),
        "store_id": pa.string(),
        "everything__bool": pa.bool_(),
        "everything__int32": pa.int32(),
        "everything__int64": pa.int64(),
        "everything__float32": pa.float32(),
        "everything__float64": pa.float64(),
        "everything__string": pa.string(),
        "everything__bytes": pa.binary(),
        "everything__date": pa.date32(),
        "everything__timestamp": pa.timestamp("us", tz="UTC"),
        "everything__float32_list": pa.list_(pa.float32()),
        "everything__float64_list": pa.list_(pa.float64()),
        "everything__int64_list": pa.list_(pa.int64()),
    }


def test_values_of_stale_rows_are_hidden_unless_they_are_asked_for(
    publisher: Publisher, memory: Memory
) -> None:
    spec = group(online=Online.UPSERT)
    publisher.publish(spec, {(1,): (12.5, None)}, at=STALE)

    hidden = look_up(memory, ["household_spend"], {"household_id": [1]})
    kept = look_up(memory, ["household_spend"], {"household_id": [1]}, stale="keep")

    assert list(hidden.to_dicts()[0].values()) == [1, None, None]
    assert list(kept.to_dicts()[0].values()) == [1, 12.5, None]
    np.testing.assert_array_equal(kept.to_numpy(), [[12.5, np.nan]])
    assert hidden.statuses.tolist() == kept.statuses.tolist() == [[Status.STALE, Status.STALE]]


def test_features_come_in_the_order_asked_across_groups(
    publisher: Publisher, memory: Memory
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    publisher.publish(group("household_affinity"), {(1,): (0.25, 7)}, at=NOW - timedelta(days=1))
    features = ["household_affinity:baskets_7d", "household_spend", "household_affinity:spend_30d"]

    got = look_up(memory, features, {"household_id": [1, 2]})

    assert got.feature_names == [
        "household_affinity__baskets_7d",
        "household_spend__spend_30d",
        "household_spend__baskets_7d",
        "household_affinity__spend_30d",
    ]
    np.testing.assert_array_equal(got.to_numpy(), [[7, 12.5, 3, 0.25], [np.nan] * 4])
    assert (got.groups, got.group_index) == (
        ["household_affinity", "household_spend"],
        [0, 1, 1, 0],
    )
    assert got.ages[0].tolist() == [timedelta(days=1), timedelta(0)]
    assert np.isnat(got.event_timestamps[1]).all()
    assert np.isnat(got.ages[1]).all()
    assert got.statuses.dtype == np.int8


def test_an_answer_for_nobody_is_empty(publisher: Publisher, memory: Memory) -> None:
    publisher.publish(group(), {})

    got = look_up(memory, ["household_spend"], {"household_id": []})

    assert (len(got), got.to_dicts(), got.to_arrow().num_rows) == (0, [], 0)
    assert [
        array.shape
        for array in (got.to_numpy(), got.statuses, got.event_timestamps, got.table_versions)
    ] == [(0, 2), (0, 2), (0, 1), (0, 1)]


def test_a_row_under_a_schema_that_the_contract_lacks_is_an_error() -> None:
    """Two servers may know different catalogues for a moment."""
    known = group_contract(contract_message(group(), "known", live=True))
    rows = GroupRows(known, [pb.FeatureRow(event_timestamp=0, schema_id=1).SerializeToString()])

    assert rows.statuses(("spend_30d",)).tolist() == [[Status.ERROR]]
    assert rows.values("spend_30d") == [None]
