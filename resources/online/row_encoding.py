"""Frames to online keys and rows, by columns: byte-equal to `contract.rows` and `contract.keys`.

A row is joined from parts, in the order of the message's fields. What has one width in all rows
lies in one matrix; strings, bytes, lists and the null bitmap are columns of byte strings.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ...contract.errors import ColumnMismatchError
from ...contract.feature_group import DType, FeatureGroupSpec, FeatureSpec
from ...contract.keys import entity_encoder, group_prefix, online_key
from ...contract.order import Order, encode_order
from ...contract.proto.headrace.v1.feature_service_pb2 import FeatureRow
from ..offline.commit_log import Commit
from ..offline.table_spec import EVENT_TIMESTAMP

_Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
_Lengths: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

_FIXED = {
    DType.FLOAT64: ("float64_values", "<f8"),
    DType.FLOAT32: ("float32_values", "<f4"),
    DType.INT64: ("int64_values", "<i8"),
    DType.TIMESTAMP: ("int64_values", "<i8"),
    DType.INT32: ("int32_values", "<i4"),
    DType.DATE: ("int32_values", "<i4"),
    DType.BOOL: ("bool_values", "u1"),
}
_VARIABLE = {DType.STRING: "string_values", DType.BYTES: "bytes_values"}
_LISTS = {
    DType.FLOAT64_LIST: ("float64_lists", "<f8"),
    DType.FLOAT32_LIST: ("float32_lists", "<f4"),
    DType.INT64_LIST: ("int64_lists", "<i8"),
}
_NUMBERS = {field.name: field.number for field in FeatureRow.DESCRIPTOR.fields}
_BYTES = pa.large_binary()
_NOTHING = pa.scalar(b"", _BYTES)


def encode_keys(group: FeatureGroupSpec, group_id: int, frame: pl.DataFrame) -> list[bytes]:
    """The online key of each row, in the frame's order; only the join key columns are read."""
    prefix, encode = group_prefix(group_id), entity_encoder(group.entity)
    columns = [frame[name].to_list() for name in group.entity.key_names]
    return [online_key(prefix, encode(values)) for values in zip(*columns, strict=True)]


def encode_values(
    group: FeatureGroupSpec, frame: pl.DataFrame, commit: Commit, schema_id: int | None = None
) -> list[bytes]:
    """The stored row of each row, in the frame's order.

    Args:
        group: Says what the features are; columns that are not among them are left out.
        frame: Join keys, event timestamp and features of one commit.
        commit: Gives the generation and the table version.
        schema_id: The schema to write under; the group's current one when `None`.

    Raises:
        ColumnMismatchError: A list holds a null, for which a row has no place.
    """
    number = group.schema_id if schema_id is None else schema_id
    features = group.all_schemas[number]
    if frame.is_empty():
        return []
    fixed = [_orders(frame, commit), _constant(frame, _head(number, commit))]
    fixed += _packed(frame, features)
    matrix = np.concatenate(fixed, axis=1)
    rest = [
        *_strings(frame, features),
        *_bitmaps(frame, features),
        *_lists(group, frame, features),
    ]
    if not rest:
        raw, width = matrix.tobytes(), matrix.shape[1]
        return [raw[at : at + width] for at in range(0, len(raw), width)]
    joined = pc.binary_join_element_wise(_rows_of(matrix), *rest, _NOTHING)
    return joined.to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types


def _orders(frame: pl.DataFrame, commit: Commit) -> _Bytes:
    orders = _constant(frame, encode_order(Order(0, commit.generation)))
    stamps = frame[EVENT_TIMESTAMP].to_physical().to_numpy().astype("<i8")
    orders[:, 1:9] = stamps.view(np.uint8).reshape(-1, 8)
    return orders


def _head(schema_id: int, commit: Commit) -> bytes:
    head = FeatureRow(schema_id=schema_id, table_version=commit.version)
    return head.SerializeToString(deterministic=True)


def _packed(frame: pl.DataFrame, features: Sequence[FeatureSpec]) -> list[_Bytes]:
    parts: list[_Bytes] = []
    for field in sorted({name for name, _ in _FIXED.values()}, key=_NUMBERS.__getitem__):
        columns = [
            frame[feature.name]
            .to_physical()
            .fill_null(0)
            .to_numpy()
            .astype(_FIXED[feature.dtype][1])
            for feature in features
            if feature.dtype in _FIXED and _FIXED[feature.dtype][0] == field
        ]
        if columns:
            values = np.stack(columns, axis=1).view(np.uint8).reshape(frame.height, -1)
            parts += [_constant(frame, _tag(field) + _varint(values.shape[1])), values]
    return parts


def _strings(frame: pl.DataFrame, features: Sequence[FeatureSpec]) -> list[Any]:
    parts = []
    for dtype, field in sorted(_VARIABLE.items(), key=lambda item: _NUMBERS[item[1]]):
        for feature in features:
            if feature.dtype is dtype:
                raw = frame[feature.name].cast(pl.Binary).fill_null(b"").to_arrow().cast(_BYTES)
                lengths = pc.binary_length(raw).to_numpy(zero_copy_only=False)
                parts += [pa.scalar(_tag(field), _BYTES), _varints(lengths), raw]
    return parts


def _bitmaps(frame: pl.DataFrame, features: Sequence[FeatureSpec]) -> list[Any]:
    nulls = np.stack([frame[feature.name].is_null().to_numpy() for feature in features], axis=1)
    some = nulls.any(axis=1)
    if not some.any():
        return []
    bits = np.packbits(nulls[some], axis=1, bitorder="little")
    tag = np.frombuffer(_tag("null_bitmap") + _varint(bits.shape[1]), np.uint8)
    marked = np.concatenate([np.broadcast_to(tag, (len(bits), len(tag))), bits], axis=1)
    return [_binary(marked, some * marked.shape[1])]


def _lists(
    group: FeatureGroupSpec, frame: pl.DataFrame, features: Sequence[FeatureSpec]
) -> list[Any]:
    parts = []
    for dtype, (field, numpy_dtype) in sorted(
        _LISTS.items(), key=lambda item: _NUMBERS[item[1][0]]
    ):
        for feature in features:
            if feature.dtype is dtype:
                column = frame[feature.name].fill_null([])
                values = column.explode(empty_as_null=False)
                if values.null_count():
                    raise ColumnMismatchError(
                        table=group.reference,
                        differences=[f"feature {feature.name!r}: a list holds a null"],
                    )
                parts += _list(
                    field, column.list.len().to_numpy(), values.to_numpy().astype(numpy_dtype)
                )
    return parts


def _list(field: str, counts: Any, values: Any) -> list[Any]:  # noqa: ANN401 - arrays of any number
    lengths = counts.astype(np.int64) * values.itemsize
    # An empty list is an empty message: no inner field, and so no inner tag.
    inner = pc.if_else(
        pa.array(lengths > 0),
        pc.binary_join_element_wise(pa.scalar(b"\x0a", _BYTES), _varints(lengths), _NOTHING),
        _NOTHING,
    )
    outer = pc.binary_length(inner).to_numpy(zero_copy_only=False) + lengths
    raw = _binary(values.view(np.uint8), lengths)
    return [pa.scalar(_tag(field), _BYTES), _varints(outer), inner, raw]


def _constant(frame: pl.DataFrame, raw: bytes) -> _Bytes:
    return np.tile(np.frombuffer(raw, np.uint8), (frame.height, 1))


def _rows_of(matrix: _Bytes) -> Any:  # noqa: ANN401 - pyarrow has no types
    return _binary(matrix, np.full(len(matrix), matrix.shape[1]))


def _binary(raw: _Bytes, lengths: _Lengths) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Consecutive bytes as byte strings of the given lengths, without copying them one by one."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(raw).reshape(-1))]
    return pa.Array.from_buffers(_BYTES, len(lengths), buffers)


def _varints(numbers: _Lengths) -> Any:  # noqa: ANN401 - pyarrow has no types
    distinct, places = np.unique(numbers, return_inverse=True)
    return pa.array([_varint(int(number)) for number in distinct], _BYTES).take(pa.array(places))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _tag(field: str) -> bytes:
    length_delimited = 2
    return _varint(_NUMBERS[field] << 3 | length_delimited)
