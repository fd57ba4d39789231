"""Rows decoded by columns are what they are when each is parsed and each value is looked at."""

import math
import struct
from random import Random

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, FeatureSpec
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.row_batches import BatchDecoder, LaidOut
from headrace.contract.rows import Row, RowCodec, Value, codecs
from headrace.contract.status import Status, value_status
from headrace.serving.contract_messages import GroupContract, contract_message, group_contract
from headrace.serving.group_rows import GroupRows
from headrace.tests.contract.strategies import VALUES
from headrace.tests.serving.publishing import evolved, group

ABSENT, BROKEN = b"", b"\x68\x02"
STALE, ERROR = b"\x68\x01", b"\x68\x02"
NUMERIC = frozenset({DType.BOOL, DType.INT32, DType.INT64, DType.FLOAT32, DType.FLOAT64})
TABLE_VERSIONS = st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 2**32, 2**63 - 1])


def contract_of(*dtypes: DType, added: list[DType]) -> GroupContract:
    """A group with one schema for each feature that was added in place."""
    spec = group(features={f"f{place}": dtype for place, dtype in enumerate(dtypes)})
    for place, dtype in enumerate(added):
        spec = evolved(spec, f"added{place}", dtype)
    return group_contract(contract_message(spec, "known", live=True))


def plain(contract: GroupContract, raw: bytes, name: str) -> tuple[Status, Value]:
    """One value, as the proto says that it is to be read."""
    row = pb.FeatureRow.FromString(raw)
    found, codec = row.HasField("event_timestamp"), contract.decoder.codecs.get(row.schema_id)
    value = None
    if found and codec is not None:
        names = [feature.name for feature in codec.features]
        value = codec.values(row)[names.index(name)] if name in names else None
    status = value_status(
        failed=row.status == pb.ROW_STATUS_ERROR or (found and codec is None),
        found=found,
        stale=row.status == pb.ROW_STATUS_STALE,
        null=value is None,
    )
    return status, value


def odd(raw: bytes) -> bytes:
    """The same row in an order of fields in which nobody writes it."""
    row = pb.FeatureRow.FromString(raw)
    row.ClearField("event_timestamp")
    order = pb.FeatureRow(event_timestamp=pb.FeatureRow.FromString(raw).event_timestamp)
    return row.SerializeToString() + order.SerializeToString()


@st.composite
def answers(draw: st.DrawFn) -> tuple[GroupContract, list[bytes]]:
    """A contract of any dtypes and schemas, and rows of all of them in any state."""
    fixed = draw(st.booleans())
    dtypes = st.sampled_from(sorted(NUMERIC if fixed else DType))
    first = draw(st.lists(dtypes, min_size=1, max_size=12))
    contract = contract_of(*first, added=draw(st.lists(dtypes, max_size=2)))
    rows = []
    for _ in range(draw(st.integers(0, 8))):
        codec = draw(st.sampled_from(sorted(contract.decoder.codecs.items())))[1]
        has_nulls = draw(st.booleans())
        values = tuple(
            draw(st.none() | VALUES[each.dtype] if has_nulls else VALUES[each.dtype])
            for each in codec.features
        )
        row = Row(draw(st.integers(-(2**63), 2**63 - 1)), 7, draw(TABLE_VERSIONS), values)
        raw = codec.encode(row) + draw(st.sampled_from([b"", b"", STALE, ERROR]))
        foreign = RowCodec((FeatureSpec("f0", DType.FLOAT64),), 9).encode(Row(0, 1, 1, (0.5,)))
        rows.append(draw(st.sampled_from([raw, raw, raw, odd(raw), foreign, ABSENT, BROKEN])))
    return contract, rows


def same(left: Value, right: Value) -> bool:
    """Equality bit for bit and type for type."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or struct.pack("d", left) == struct.pack("d", right)
    return type(left) is type(right) and left == right


@given(answers(), st.randoms())
@settings(max_examples=200)
def test_columns_are_what_each_row_says(
    answer: tuple[GroupContract, list[bytes]], random: Random
) -> None:
    contract, raw = answer
    names = [feature.name for feature in contract.features]
    asked = tuple(random.sample(names, random.randint(1, len(names))))

    rows = GroupRows(contract, raw)
    statuses, nulls = rows.statuses(asked), rows.nulls(asked)

    for column, name in enumerate(asked):
        expected = [plain(contract, row, name) for row in raw]
        assert statuses[:, column].tolist() == [status for status, _ in expected]
        is_null = [value is None for _, value in expected]
        assert (is_null if nulls is None else nulls[:, column].tolist()) == is_null or not raw
        shown = zip(rows.values(name), expected, strict=True)
        assert all(value is None or same(found, value) for found, (_, value) in shown)
        native = rows.native(name)
        if native is not None:
            assert len(native) == len(raw)


@given(answers())
def test_numbers_are_those_of_each_row(answer: tuple[GroupContract, list[bytes]]) -> None:
    contract, raw = answer
    names = tuple(each.name for each in contract.features if each.dtype in NUMERIC)

    numbers = GroupRows(contract, raw).numbers(names)

    expected = [[plain(contract, row, name)[1] for name in names] for row in raw]
    assert numbers.shape == (len(raw), len(names))
    for found, row in zip(numbers.tolist(), expected, strict=True):
        for number, value in zip(found, row, strict=True):
            assert value is None or same(number, float(value))  # type: ignore[arg-type]  # a number


@given(answers())
def test_heads_are_those_of_each_row(answer: tuple[GroupContract, list[bytes]]) -> None:
    contract, raw = answer

    heads = GroupRows(contract, raw).batch.heads

    parsed = [pb.FeatureRow.FromString(row) for row in raw]
    assert heads.found.tolist() == [row.HasField("event_timestamp") for row in parsed]
    assert heads.event_timestamps.tolist() == [row.event_timestamp for row in parsed]
    for row, generation, version in zip(
        parsed, heads.generations.tolist(), heads.table_versions.tolist(), strict=True
    ):
        if row.HasField("event_timestamp"):
            assert (generation, version) == (row.generation, row.table_version)


def test_rows_that_differ_in_what_moves_fields_are_all_read_without_a_parser() -> None:
    """Else the next tests of speed would measure the parser."""
    features = tuple(FeatureSpec(f"f{n}", DType.FLOAT64, nullable=True) for n in range(10))
    first, second = (RowCodec(features[:size], place) for place, size in enumerate((9, 10)))
    decoder = BatchDecoder(codecs([features[:9], features]))
    rows = [
        codec.encode(Row(0, 1, version, (value,) * len(codec.features))) + status
        for codec in (first, second)
        for version in (1, 200, 70_000)
        for value in (0.5, None)
        for status in (b"", STALE)
    ]

    batch = decoder.decode(rows)

    assert len(batch.blocks) == len(rows)
    assert all(isinstance(block, LaidOut) for block in batch.blocks)


def test_a_row_cut_short_is_no_row() -> None:
    contract = contract_of(DType.FLOAT64, added=[])
    raw = contract.decoder.codecs[0].encode(Row(0, 1, 1, (0.5,)))

    with pytest.raises(DecodeError):
        GroupRows(contract, [raw, raw[:-1]]).statuses(("f0",))
