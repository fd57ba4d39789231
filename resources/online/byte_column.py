"""Many byte strings in one buffer: what keys, rows and commands are while there are many of them.

A slice shares the buffer, a choice of places (`take`) is one gather, and strings are joined element
by element without a loop over them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

_BINARY = pa.large_binary()
_NOTHING = pa.scalar(b"", _BINARY)


@dataclass(frozen=True, slots=True, eq=False)
class ByteColumn(Sequence[bytes]):
    """Byte strings back to back: string `i` is `raw[offsets[i]:offsets[i + 1]]`.

    Attributes:
        offsets: One more than there are strings; need not begin at 0.
    """

    raw: Bytes
    offsets: Integers

    @classmethod
    def of(cls, strings: Sequence[bytes]) -> "ByteColumn":
        """These strings as a column; a column is returned as it is."""
        if isinstance(strings, cls):
            return strings
        return cls.cut(np.frombuffer(b"".join(strings), np.uint8), [len(each) for each in strings])

    @classmethod
    def cut(cls, raw: Bytes, lengths: Sequence[int] | Integers) -> "ByteColumn":
        """Consecutive bytes as strings of these lengths."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(raw, offsets)

    @classmethod
    def of_rows(cls, matrix: Bytes) -> "ByteColumn":
        """The rows of a matrix, which all have its width."""
        height, width = matrix.shape
        return cls(matrix.reshape(-1), np.arange(height + 1, dtype=np.int64) * width)

    @classmethod
    def of_arrow(cls, array: Any) -> "ByteColumn":  # noqa: ANN401 - pyarrow has no types
        """An Arrow array of strings or binaries without nulls."""
        array = array.cast(_BINARY)
        _, offsets, raw = array.buffers()
        every = np.frombuffer(offsets, np.int64) if offsets else np.zeros(1, np.int64)
        chosen = every[array.offset : array.offset + len(array) + 1]
        return cls(np.frombuffer(raw or b"", np.uint8), chosen)

    def __len__(self) -> int:
        """How many strings there are."""
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> "ByteColumn": ...
    def __getitem__(self, place: int | slice) -> "bytes | ByteColumn":
        """One string, or a slice that shares the buffer (of step 1)."""
        if isinstance(place, slice):
            start, stop, _ = place.indices(len(self))
            return ByteColumn(self.raw, self.offsets[start : max(start, stop) + 1])
        at = range(len(self))[place]
        return self.raw[self.offsets[at] : self.offsets[at + 1]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        """The strings, in order."""
        start = int(self.offsets[0])
        raw = self.raw[start : self.offsets[-1]].tobytes()
        cuts = (self.offsets - start).tolist()
        return (raw[a:b] for a, b in pairwise(cuts))

    @property
    def lengths(self) -> Integers:
        """The length of each string."""
        return np.diff(self.offsets)

    @property
    def width(self) -> int | None:
        """The length of every string; `None` when they differ, or there are none."""
        lengths = self.lengths
        return int(lengths[0]) if len(self) and (lengths == lengths[0]).all() else None

    @property
    def buffer(self) -> memoryview:
        """The strings back to back, without copying them."""
        return self.raw[self.offsets[0] : self.offsets[-1]].data

    def take(self, places: Integers) -> "ByteColumn":
        """The strings at these places, in their order."""
        if (width := self.width) is not None:
            matrix = np.frombuffer(self.buffer, np.uint8).reshape(len(self), width)
            return ByteColumn.of_rows(np.take(matrix, places, axis=0))
        return ByteColumn.of_arrow(self.to_arrow().take(pa.array(places)))

    def to_arrow(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The same buffer as an Arrow array."""
        buffers = [None, pa.py_buffer(np.ascontiguousarray(self.offsets)), pa.py_buffer(self.raw)]
        return pa.Array.from_buffers(_BINARY, len(self), buffers)


Part: TypeAlias = bytes | Bytes | ByteColumn
"""The same bytes for every string, a row of a matrix for each, or a string for each."""


def joined(height: int, parts: Sequence[Part]) -> ByteColumn:
    """Strings that are joined, place by place, from the parts in their order.

    Args:
        height: How many strings there are.
        parts: Matrices and columns have this height.
    """
    level = [_leveled(part) for part in parts]
    if any(isinstance(part, ByteColumn) for part in level):
        arrays = [_arrow(part) for part in level]
        return ByteColumn.of_arrow(pc.binary_join_element_wise(*arrays, _NOTHING))
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in level]  # type: ignore[union-attr]  # no column is left
    matrix, at = np.empty((height, sum(widths)), np.uint8), 0
    for part, width in zip(level, widths, strict=True):
        matrix[:, at : at + width] = (
            np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        )
        at += width
    return ByteColumn.of_rows(matrix)


def chosen(strings: Sequence[bytes], places: Integers) -> ByteColumn:
    """Of a few strings, the one that each place names."""
    return ByteColumn.of(strings).take(places)


def _leveled(part: Part) -> Part:
    """A column of strings of one length as the matrix that it is, which is faster to copy."""
    if isinstance(part, ByteColumn) and (width := part.width) is not None:
        return np.frombuffer(part.buffer, np.uint8).reshape(len(part), width)
    return part


def _arrow(part: Part) -> Any:  # noqa: ANN401 - pyarrow has no types
    if isinstance(part, bytes):
        return pa.scalar(part, _BINARY)
    column = (
        part if isinstance(part, ByteColumn) else ByteColumn.of_rows(np.ascontiguousarray(part))
    )
    return column.to_arrow()
