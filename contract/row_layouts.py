"""Where the fields of fixed width lie in rows of one schema: at the same places in all of them.

The wire form is canonical (`rows`), so that only four things move a field: the schema, how wide the
table version is, and, behind the values, whether there are a null bitmap and a status.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .order import ORDER_LENGTH
from .rows import RowCodec
from .varint import varint

Matrix: TypeAlias = npt.NDArray[np.uint8]
Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_ORDER_TAGS = (0x09, 0x15)  # of the event timestamp and of the generation
_SCHEMA_ID, _TABLE_VERSION, _NULL_BITMAP, _STATUS = 0x18, 0x20, 0x62, 0x68
_FIXED: Mapping[str, tuple[int, str]] = {
    "float64_values": (0x2A, "<f8"),
    "float32_values": (0x32, "<f4"),
    "int64_values": (0x3A, "<i8"),
    "int32_values": (0x42, "<i4"),
    "bool_values": (0x4A, "?"),
}
_LAST_FIXED_TAG = 0x4A
_CONTINUES, _SEVEN_BITS = 0x80, 0x7F
_WIDEST = 9  # a table version of ten bytes is no int64
_STATUS_SIZE = 2


@dataclass(frozen=True, slots=True)
class Form:
    """What moves fields: of two rows of one form, every byte has the same meaning.

    Attributes:
        version_width: Bytes of the table version; 0 where it is left out.
        has_bitmap: Whether a null bitmap follows the values; false where `Layout.is_whole` is.
    """

    schema_id: int
    version_width: int
    has_bitmap: bool
    has_status: bool


class Layout:
    """The places of one form.

    Attributes:
        is_whole: Whether it describes all of a row; values of variable width follow otherwise, and
            the null bitmap and the status after them.
        tail: Where they begin.
        size: How many bytes of a row have to be looked at.
    """

    def __init__(self, codec: RowCodec, form: Form) -> None:
        """Compute the places."""
        self.codec, self.form = codec, form
        self.is_whole = codec.is_fixed
        self._tells: list[tuple[int, int, int]] = []
        self.size = self._version_at = self._bitmap_at = self._status_at = 0
        self._head()
        self._fields = {
            name: self._field(name, count) for name, count in codec.counts.items() if name in _FIXED
        }
        if form.has_bitmap:
            self._tell(_NULL_BITMAP, bitmap_size(codec))
            self._bitmap_at = self._skip(bitmap_size(codec))
        if form.has_status:
            self._tell(_STATUS)
            self._status_at = self._varints(1)
        self.tail = self.size
        if not self.is_whole:
            self.size += 1  # the first byte of the tail, which is no field of fixed width
        places, masks, expected = zip(*self._tells, strict=True)
        self._places = np.array(places)
        self._masks, self._expected = np.array(masks, np.uint8), np.array(expected, np.uint8)

    def fits(self, rows: Matrix) -> npt.NDArray[np.bool_]:
        """Which of these rows (one per line, `size` bytes each) are of this form."""
        told = np.bitwise_and(rows[:, self._places], self._masks) == self._expected
        found: npt.NDArray[np.bool_] = told.all(axis=1)
        return found if self.is_whole else found & (rows[:, self.tail] > _LAST_FIXED_TAG)

    def event_timestamps(self, rows: Matrix) -> Numbers:
        """Microseconds since 1970-01-01T00:00:00Z, one per row."""
        return _cut(rows, 1, "<i8", 1)[:, 0]

    def generations(self, rows: Matrix) -> Numbers:
        """One per row."""
        return _cut(rows, 10, "<u4", 1)[:, 0]

    def table_versions(self, rows: Matrix) -> Numbers:
        """One per row."""
        found = np.zeros(len(rows), np.int64)
        for byte in range(self.form.version_width):
            bits = rows[:, self._version_at + byte] & _SEVEN_BITS
            found |= bits.astype(np.int64) << 7 * byte
        return found

    def statuses(self, rows: Matrix) -> Matrix:
        """The `RowStatus` of each row, where `is_whole`."""
        if self.form.has_status:
            return rows[:, self._status_at]
        return np.zeros(len(rows), np.uint8)

    def nulls(self, rows: Matrix) -> npt.NDArray[np.bool_] | None:
        """Which values are null (rows × features), where `is_whole`; `None`: none is."""
        if not self.form.has_bitmap:
            return None
        bitmaps = rows[:, self._bitmap_at : self._bitmap_at + bitmap_size(self.codec)]
        return null_bits(bitmaps, len(self.codec.features))

    def column(self, rows: Matrix, field: str, position: int) -> Numbers:
        """One feature's values in its own type: the given one of a field of fixed width."""
        at, dtype, _ = self._fields[field]
        return _cut(rows, at + position * np.dtype(dtype).itemsize, dtype, 1)[:, 0]

    def numbers(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """All values of fixed width as float64, in the order in which they lie in the row."""
        blocks = [_cut(rows, at, dtype, count) for at, dtype, count in self._fields.values()]
        if len(blocks) == 1 and blocks[0].dtype == np.float64:
            return blocks[0]
        if not blocks:
            return np.empty((len(rows), 0))
        return np.concatenate(blocks, axis=1, dtype=np.float64, casting="unsafe")

    def bytes_of(self, values: Iterable[tuple[str, int]]) -> npt.NDArray[np.intp]:
        """Where the order lies, the table version, then these values: by field and position."""
        spans = [(1, 8), (10, 4), (self._version_at, self.form.version_width)]
        for field, position in values:
            at, dtype, _ = self._fields[field]
            width = np.dtype(dtype).itemsize
            spans.append((at + position * width, width))
        return np.concatenate([np.arange(at, at + width) for at, width in spans])

    def blank(self, nulls: npt.NDArray[np.bool_]) -> Matrix:
        """Rows of this form, where `is_whole`: zeros, and null as these say (rows × features)."""
        rows = np.zeros((len(nulls), self.size), np.uint8)
        rows[:, self._places] = self._expected
        if self.form.has_bitmap:
            bitmaps = np.packbits(nulls, axis=1, bitorder="little")
            rows[:, self._bitmap_at : self._bitmap_at + bitmap_size(self.codec)] = bitmaps
        return rows

    def _head(self) -> None:
        for tag, width in zip(_ORDER_TAGS, (8, 4), strict=True):
            self._tell(tag)
            self._skip(width)
        if self.form.schema_id:
            self._tell(_SCHEMA_ID, self.form.schema_id)
        if self.form.version_width:
            self._tell(_TABLE_VERSION)
            self._version_at = self._varints(1, self.form.version_width)

    def _field(self, name: str, count: int) -> tuple[int, str, int]:
        tag, dtype = _FIXED[name]
        length = count * np.dtype(dtype).itemsize
        self._tell(tag, *varint(length))
        # A packed Boolean is a varint; ours are one byte each.
        at = self._varints(count) if dtype == "?" else self._skip(length)
        return at, dtype, count

    def _tell(self, *expected: int) -> None:
        """The next bytes tell a row of this form from others."""
        for byte in expected:
            self._tells.append((self.size, 0xFF, byte))
            self.size += 1

    def _skip(self, length: int) -> int:
        self.size += length
        return self.size - length

    def _varints(self, count: int, width: int = 1) -> int:
        """The next bytes are varints of this width; whatever they hold, their ends tell it."""
        at = self.size
        for byte in range(count * width):
            ends = (byte + 1) % width == 0
            self._tells.append((at + byte, _CONTINUES, 0 if ends else _CONTINUES))
        return self._skip(count * width)


def form_of(row: bytes, codecs: Mapping[int, RowCodec]) -> Form | None:
    """The form that a row must have if it has any; `None` for what only a parser can read."""
    if len(row) < ORDER_LENGTH or (row[0], row[9]) != _ORDER_TAGS:
        return None
    at, schema_id, width = ORDER_LENGTH, 0, 0
    if row[at : at + 1] == b"\x18":
        schema_id = int.from_bytes(row[at + 1 : at + 2], "little")
        at += 2
    codec = codecs.get(schema_id)
    if codec is None or schema_id >= _CONTINUES:
        return None
    if row[at : at + 1] == b"\x20":
        width = next((n for n, byte in enumerate(row[at + 1 :], 1) if byte < _CONTINUES), 0)
        if not 0 < width <= _WIDEST:
            return None
        at += 1 + width
    if not codec.is_fixed:
        return Form(schema_id, width, has_bitmap=False, has_status=False)
    left = len(row) - at - _body_size(codec)
    bitmap = 2 + bitmap_size(codec)
    if left not in (0, _STATUS_SIZE, bitmap, bitmap + _STATUS_SIZE):
        return None
    return Form(
        schema_id,
        width,
        has_bitmap=left >= bitmap,
        has_status=left in (_STATUS_SIZE, bitmap + _STATUS_SIZE),
    )


def bitmap_size(codec: RowCodec) -> int:
    """Bytes of a null bitmap."""
    return (len(codec.features) + 7) // 8


def null_bits(bitmaps: Matrix, features: int) -> npt.NDArray[np.bool_]:
    """Which values are null, one line per bitmap."""
    return np.unpackbits(bitmaps, axis=1, count=features, bitorder="little").view(np.bool_)


def _body_size(codec: RowCodec) -> int:
    sizes = [(count * np.dtype(_FIXED[name][1]).itemsize) for name, count in codec.counts.items()]
    return sum(1 + len(varint(size)) + size for size in sizes)


def _cut(rows: Matrix, at: int, dtype: str, count: int) -> Numbers:
    """The values of one type that begin at a place of every row (rows × count)."""
    width = np.dtype(dtype).itemsize * count
    cut = np.ascontiguousarray(rows[:, at : at + width])
    found: Numbers = cut != 0 if dtype == "?" else cut.view(dtype)
    return found
