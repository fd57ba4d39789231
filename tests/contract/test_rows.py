import math
import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, FeatureSpec
from headrace.contract.order import Order, decode_order, encode_order
from headrace.contract.proto.headrace.v1.feature_service_pb2 import FeatureRow, RowStatus
from headrace.contract.rows import Row, RowCodec, Value, from_microseconds, to_microseconds
from headrace.tests.contract.strategies import INSTANTS, schemas, values_of

TEN_FLOATS = tuple(FeatureSpec(f"f{index}", DType.FLOAT64) for index in range(10))
EVENT_TIMESTAMPS = st.integers(-(2**63), 2**63 - 1)
GENERATIONS = st.integers(1, 2**32 - 1)


def same(left: Value, right: Value) -> bool:
    """Equality bit for bit: NaN equals itself, 0.0 and -0.0 differ."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or struct.pack("d", left) == struct.pack("d", right)
    return type(left) is type(right) and left == right


@given(
    data=st.data(),
    schema=schemas(),
    event_timestamp=EVENT_TIMESTAMPS,
    generation=GENERATIONS,
    schema_id=st.integers(0, 5),
)
def test_a_row_of_any_schema_comes_back_as_it_was(
    *,
    data: st.DataObject,
    schema: tuple[FeatureSpec, ...],
    event_timestamp: int,
    generation: int,
    schema_id: int,
) -> None:
    """Every dtype, nulls, NaN, infinities, empty and non-ASCII strings, empty lists."""
    values = data.draw(values_of(schema))
    codec = RowCodec(schema, schema_id)

    back = codec.decode(codec.encode(Row(event_timestamp, generation, 60, values)))

    assert all(map(same, back.values, values))
    assert replace(back, values=()) == Row(event_timestamp, generation, 60, ())


@given(st.data(), schemas())
def test_equal_rows_have_equal_bytes(data: st.DataObject, schema: tuple[FeatureSpec, ...]) -> None:
    row = Row(0, 1, 0, data.draw(values_of(schema)))

    assert RowCodec(schema, 0).encode(row) == RowCodec(schema, 0).encode(row)


@given(EVENT_TIMESTAMPS, GENERATIONS)
def test_a_row_begins_with_its_order(event_timestamp: int, generation: int) -> None:
    """Also when both are zero: explicit presence keeps the offsets fixed."""
    raw = RowCodec(TEN_FLOATS, 0).encode(Row(event_timestamp, generation, 1, (0.0,) * 10))

    assert decode_order(raw) == Order(event_timestamp, generation)
    assert raw.startswith(encode_order(Order(event_timestamp, generation)))


def test_ten_floats_cost_at_most_99_bytes() -> None:
    """One byte more costs 8, two cost 24 in the store (docs/decisions/0002)."""
    row = Row(to_microseconds(datetime(2018, 1, 2, tzinfo=UTC)), 1, 16_383, (1.5,) * 10)

    assert len(RowCodec(TEN_FLOATS, 0).encode(row)) == 99


def test_appending_the_status_field_marks_a_row_without_touching_its_bytes() -> None:
    raw = RowCodec(TEN_FLOATS, 0).encode(Row(0, 1, 1, (1.5,) * 10))
    stale = FeatureRow(status=RowStatus.ROW_STATUS_STALE).SerializeToString()

    marked = FeatureRow.FromString(raw + stale)

    assert marked.status == RowStatus.ROW_STATUS_STALE
    assert list(marked.float64_values) == [1.5] * 10


def test_a_row_of_another_schema_is_not_decoded_as_this_one() -> None:
    raw = RowCodec(TEN_FLOATS, 1).encode(Row(0, 1, 1, (1.5,) * 10))

    with pytest.raises(ValueError, match="the row is of schema 1; this codec decodes 0"):
        RowCodec(TEN_FLOATS, 0).decode(raw)


def test_a_row_needs_one_value_per_feature() -> None:
    with pytest.raises(ValueError, match="zip"):
        RowCodec(TEN_FLOATS, 0).encode(Row(0, 1, 1, (1.5,)))


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError):
        RowCodec((FeatureSpec("f", DType.INT64),), 0).encode(Row(0, 1, 1, ("text",)))


@given(INSTANTS)
def test_an_instant_is_whole_microseconds(instant: datetime) -> None:
    assert from_microseconds(to_microseconds(instant)) == instant


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="an instant needs a time zone"):
        to_microseconds(datetime(2018, 1, 2))  # noqa: DTZ001  # naive on purpose
