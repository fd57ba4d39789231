"""Rows to bytes and back: the stored value *is* a serialized `FeatureRow`.

The wire form is canonical: fields ascending, packed values, no field for a type that the schema
does not have, no bitmap when nothing is null. Equal rows therefore have equal bytes, which is what
proofs compare. Codecs are built once per schema; no branch on a type remains in the loop over rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from .feature_group import DType, FeatureSpec
from .proto.headrace.v1.feature_service_pb2 import FeatureRow

ListValue: TypeAlias = list[float] | list[int]
Value: TypeAlias = bool | int | float | str | bytes | date | datetime | ListValue | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One decoded row.

    Attributes:
        event_timestamp: Microseconds since 1970-01-01T00:00:00Z.
        generation: Which computation of its partition wrote the row.
        table_version: The Delta version that holds it.
        values: One per feature of the schema, in its order.
    """

    event_timestamp: int
    generation: int
    table_version: int
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where values of one type live in the message, and how they are spelled there."""

    field: str
    empty: object
    encode: Callable[[object], object]
    decode: Callable[[object], object]


def _same(value: object) -> object:
    return value


def to_microseconds(instant: datetime) -> int:
    """An aware instant as microseconds since 1970-01-01T00:00:00Z, exactly.

    Raises:
        ValueError: `instant` has no time zone.
    """
    if instant.tzinfo is None:
        msg = f"an instant needs a time zone (UTC); got the naive {instant!r}"
        raise ValueError(msg)
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The UTC instant of these microseconds."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _list_slot(field: str) -> _Slot:
    # A list is a message of its own: protobuf has no repeated repeated values.
    return _Slot(field, (), _same, lambda message: list(message.values))  # type: ignore[attr-defined]  # one of three list messages


_SLOTS: dict[DType, _Slot] = {
    DType.BOOL: _Slot("bool_values", 0, _same, _same),
    DType.INT32: _Slot("int32_values", 0, _same, _same),
    DType.INT64: _Slot("int64_values", 0, _same, _same),
    DType.FLOAT32: _Slot("float32_values", 0.0, _same, _same),
    DType.FLOAT64: _Slot("float64_values", 0.0, _same, _same),
    DType.STRING: _Slot("string_values", "", _same, _same),
    DType.BYTES: _Slot("bytes_values", b"", _same, _same),
    DType.DATE: _Slot(
        "int32_values",
        0,
        lambda day: day.toordinal() - _EPOCH_DAY,  # type: ignore[attr-defined]  # a date, by the schema
        lambda days: date.fromordinal(days + _EPOCH_DAY),  # type: ignore[operator]
    ),
    DType.TIMESTAMP: _Slot("int64_values", 0, to_microseconds, from_microseconds),  # type: ignore[arg-type]
    DType.FLOAT32_LIST: _list_slot("float32_lists"),
    DType.FLOAT64_LIST: _list_slot("float64_lists"),
    DType.INT64_LIST: _list_slot("int64_lists"),
}
_LISTS = frozenset({DType.FLOAT32_LIST, DType.FLOAT64_LIST, DType.INT64_LIST})
FIXED = frozenset(DType) - _LISTS - {DType.STRING, DType.BYTES}
"""Types whose values are all equally wide in a row."""


class RowCodec:
    """Encodes and decodes the rows of one schema.

    Attributes:
        named: The place of each feature in the schema.
        counts: How many values lie in each field of the message, in the order of the wire.
        places: For each feature, its field and its index among the values there.
        order: For each feature, its index among the values of all fields.
        is_fixed: Whether all values are of fixed width.
    """

    def __init__(self, features: Sequence[FeatureSpec], schema_id: int) -> None:
        """Prepare the codec.

        Args:
            features: The schema, in the contract's order.
            schema_id: The position of this schema among the group version's schemas.
        """
        self.features = tuple(features)
        self.schema_id = schema_id
        self.named = {feature.name: place for place, feature in enumerate(features)}
        self._slots = tuple(_SLOTS[feature.dtype] for feature in features)
        self._is_list = tuple(feature.dtype in _LISTS for feature in features)
        counts: dict[str, int] = {}
        self.places: list[tuple[str, int]] = []
        for slot in self._slots:
            self.places.append((slot.field, counts.get(slot.field, 0)))
            counts[slot.field] = self.places[-1][1] + 1
        numbers = FeatureRow.DESCRIPTOR.fields_by_name
        self.counts = {
            name: counts[name] for name in sorted(counts, key=lambda name: numbers[name].number)
        }
        starts = dict(zip(self.counts, accumulate(self.counts.values(), initial=0), strict=False))
        self.order = np.array([starts[field] + place for field, place in self.places], np.intp)
        self.is_fixed = all(feature.dtype in FIXED for feature in features)

    def encode(self, row: Row) -> bytes:
        """The canonical bytes of a row.

        Raises:
            ValueError: The number of values is not the schema's.
            TypeError: A value is not of its feature's type.
        """
        message = FeatureRow(
            event_timestamp=row.event_timestamp,
            generation=row.generation,
            schema_id=self.schema_id,
            table_version=row.table_version,
        )
        bitmap = bytearray((len(self.features) + 7) // 8)
        has_null = False
        columns = zip(self._slots, self._is_list, row.values, strict=True)
        for index, (slot, is_list, value) in enumerate(columns):
            if value is None:
                has_null = True
                bitmap[index >> 3] |= 1 << (index & 7)
            encoded = slot.empty if value is None else slot.encode(value)
            if is_list:
                getattr(message, slot.field).add(values=encoded)
            else:
                getattr(message, slot.field).append(encoded)
        if has_null:
            message.null_bitmap = bytes(bitmap)
        return message.SerializeToString(deterministic=True)

    def decode(self, raw: bytes) -> Row:
        """The row that these bytes hold.

        Raises:
            ValueError: The row was written under another schema.
            google.protobuf.message.DecodeError: The bytes are no row at all.
        """
        message = FeatureRow.FromString(raw)
        if message.schema_id != self.schema_id:
            msg = f"the row is of schema {message.schema_id}; this codec decodes {self.schema_id}"
            raise ValueError(msg)
        return Row(
            message.event_timestamp, message.generation, message.table_version, self.values(message)
        )

    def decoded(self, feature: int, encoded: list[object]) -> list[Value]:
        """Values of the feature at a place of the schema, from what its message field holds."""
        decode = self._slots[feature].decode
        if decode is _same:
            return encoded  # type: ignore[return-value]  # Values, by the slot
        return [decode(value) for value in encoded]  # type: ignore[misc]

    def values(self, message: FeatureRow) -> tuple[Value, ...]:
        """The values of a parsed row of this schema, `None` where null."""
        bitmap = message.null_bitmap
        return tuple(
            None
            if bitmap and bitmap[index >> 3] >> (index & 7) & 1
            else slot.decode(getattr(message, field)[position])  # type: ignore[misc]  # a Value, by the slot
            for index, (slot, (field, position)) in enumerate(
                zip(self._slots, self.places, strict=True)
            )
        )


def codecs(schemas: Sequence[Sequence[FeatureSpec]]) -> Mapping[int, RowCodec]:
    """One codec per schema id."""
    return {schema_id: RowCodec(features, schema_id) for schema_id, features in enumerate(schemas)}
