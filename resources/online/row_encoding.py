"""Frames to online keys and rows, by columns: byte-equal to `contract.rows` and `contract.keys`.

A row is joined from parts, in the order of the message's fields. What has one width in all rows
lies in matrices; strings, bytes, lists and the null bitmap are columns of byte strings.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ...contract.errors import ColumnMismatchError
from ...contract.feature_group import DType, FeatureGroupSpec, FeatureSpec
from ...contract.order import Order, encode_order
from ...contract.proto.headrace.v1.feature_service_pb2 import FeatureRow
from ...contract.varint import varint
from ..offline.commit_log import Commit
from ..offline.table_spec import EVENT_TIMESTAMP
from .byte_column import ByteColumn, Bytes, Integers, Part, chosen, joined
from .key_encoding import online_keys

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


def encode_keys(group: FeatureGroupSpec, group_id: int, frame: pl.DataFrame) -> ByteColumn:
    """The online key of each row, in the frame's order; only the join key columns are read.

    Raises:
        InvalidEntityError: A join key is null.
    """
    return online_keys(group.entity, group_id, frame)


def encode_values(
    group: FeatureGroupSpec, frame: pl.DataFrame, commit: Commit, schema_id: int | None = None
) -> ByteColumn:
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
    parts: list[Part] = [_orders(frame, commit), _head(number, commit)]
    for encode in (_packed, _strings, _bitmaps):
        parts += encode(frame, features)
    return joined(frame.height, [*parts, *_lists(group, frame, features)])


def _orders(frame: pl.DataFrame, commit: Commit) -> Bytes:
    orders = np.tile(
        np.frombuffer(encode_order(Order(0, commit.generation)), np.uint8), (frame.height, 1)
    )
    stamps = frame[EVENT_TIMESTAMP].to_physical().to_numpy().astype("<i8")
    orders[:, 1:9] = stamps.view(np.uint8).reshape(-1, 8)
    return orders


def _head(schema_id: int, commit: Commit) -> bytes:
    head = FeatureRow(schema_id=schema_id, table_version=commit.version)
    return head.SerializeToString(deterministic=True)


def _packed(frame: pl.DataFrame, features: Sequence[FeatureSpec]) -> list[Part]:
    parts: list[Part] = []
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
            packed = np.stack(columns, axis=1)
            width = packed.shape[1] * packed.itemsize
            parts += [
                _tag(field) + varint(width),
                packed.view(np.uint8).reshape(frame.height, width),
            ]
    return parts


def _strings(frame: pl.DataFrame, features: Sequence[FeatureSpec]) -> list[Part]:
    parts: list[Part] = []
    for dtype, field in sorted(_VARIABLE.items(), key=lambda item: _NUMBERS[item[1]]):
        for feature in features:
            if feature.dtype is dtype:
                raw = frame[feature.name].cast(pl.Binary).fill_null(b"").to_arrow()
                strings = ByteColumn.of_arrow(raw)
                parts += [_tag(field), _varints(strings.lengths), strings]
    return parts


def _bitmaps(frame: pl.DataFrame, features: Sequence[FeatureSpec]) -> list[Part]:
    nulls = np.stack([frame[feature.name].is_null().to_numpy() for feature in features], axis=1)
    some = nulls.any(axis=1)
    if not some.any():
        return []
    bits = np.packbits(nulls[some], axis=1, bitorder="little")
    tag = np.frombuffer(_tag("null_bitmap") + varint(bits.shape[1]), np.uint8)
    marked = np.concatenate([np.broadcast_to(tag, (len(bits), len(tag))), bits], axis=1)
    # A row in which nothing is null has no bitmap.
    return [ByteColumn.cut(marked.reshape(-1), some * marked.shape[1])]


def _lists(
    group: FeatureGroupSpec, frame: pl.DataFrame, features: Sequence[FeatureSpec]
) -> list[Part]:
    parts: list[Part] = []
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
                raw = values.to_numpy().astype(numpy_dtype)
                lengths = column.list.len().to_numpy().astype(np.int64) * raw.itemsize
                parts += _list(field, ByteColumn.cut(raw.view(np.uint8), lengths))
    return parts


def _list(field: str, lists: ByteColumn) -> list[Part]:
    # An empty list is an empty message: no inner field, and so no inner tag.
    distinct, places = np.unique(lists.lengths, return_inverse=True)
    heads = [b"\x0a" + varint(int(length)) if length else b"" for length in distinct]
    outer = [
        _tag(field) + varint(len(head) + int(length)) + head
        for head, length in zip(heads, distinct, strict=True)
    ]
    return [chosen(outer, places), lists]


def _varints(numbers: Integers) -> ByteColumn:
    distinct, places = np.unique(numbers, return_inverse=True)
    return chosen([varint(int(number)) for number in distinct], places)


def _tag(field: str) -> bytes:
    length_delimited = 2
    return varint(_NUMBERS[field] << 3 | length_delimited)
