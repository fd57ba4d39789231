"""A digest of a frame's content, added up part by part, that no release of polars changes.

What counts is names, types, values and their order. How rows are cut into parts or chunks does not:
each column has running digests of what is null, of lengths, and of values, combined at the end.
Every NaN counts as the same value, and -0.0 is not 0.0.
"""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from ...contract.document import canonical_json, digest
from ...contract.errors import InvalidArgumentError

_THREADS = ThreadPoolExecutor(min(os.cpu_count() or 1, 4))


def content_hash(frame: pl.DataFrame) -> str:
    """The digest of one frame."""
    content = FrameDigest()
    content.update(frame)
    return content.combined(frame.columns)


class FrameDigest:
    """The digest of rows that come part by part, all of one schema."""

    def __init__(self) -> None:
        self.rows = 0
        self._columns: dict[str, _ColumnDigest] = {}

    def update(self, part: pl.DataFrame) -> None:
        """Add rows behind those added before.

        Raises:
            InvalidArgumentError: A column holds Python objects, which have no content to name.
        """
        self.rows += part.height
        for column in part.iter_columns():
            if column.name not in self._columns:
                self._columns[column.name] = _ColumnDigest(column.name, column.dtype)
        for _ in _THREADS.map(lambda name: self._columns[name].update(part[name]), part.columns):
            pass

    def hashes(self) -> dict[str, str]:
        """The digest of each column's type and values, in the columns' order."""
        return {name: each.hexdigest() for name, each in self._columns.items()}

    def combined(self, columns: Iterable[str]) -> str:
        """The digest of some of the columns, in the order given."""
        hashes = self.hashes()
        named = [[name, hashes[name]] for name in columns]
        return digest(canonical_json({"rows": self.rows, "columns": named}))


class _ColumnDigest:
    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self._type = _type_name(name, dtype)
        self._presence = _Flags()
        self._lengths, self._values = hashlib.sha256(), hashlib.sha256()
        self._inner = [_ColumnDigest(name, each) for each in _inner_types(dtype)]

    def update(self, values: pl.Series) -> None:
        self._presence.update(values.is_not_null().to_numpy())
        present, dtype = values.drop_nulls(), values.dtype
        if isinstance(dtype, pl.List | pl.Array):
            lists = present.arr.to_list() if isinstance(dtype, pl.Array) else present
            self._lengths.update(_little_endian(lists.list.len().cast(pl.UInt64)))
            filled = lists.filter(lists.list.len() > 0)
            self._inner[0].update(filled.explode(empty_as_null=False))
        elif isinstance(dtype, pl.Struct):
            for inner, field in zip(self._inner, dtype.fields, strict=True):
                inner.update(present.struct.field(field.name))
        elif (texts := _texts(present)) is not None:
            self._lengths.update(_little_endian(texts.bin.size().cast(pl.UInt64)))
            self._values.update(_joined(texts))
        elif dtype.is_float():
            with_nan = present.is_nan().any()
            self._values.update(
                _little_endian(present.fill_nan(float("nan")) if with_nan else present)
            )
        elif dtype != pl.Null():
            self._values.update(_little_endian(present.to_physical()))

    def hexdigest(self) -> str:
        content = hashlib.sha256(self._type.encode())
        content.update(self._presence.digest())
        content.update(self._lengths.digest())
        content.update(self._values.digest())
        for inner in self._inner:
            content.update(inner.hexdigest().encode())
        return content.hexdigest()[:32]


class _Flags:
    """A digest of one bit per row: whole bytes are digested, up to seven bits wait."""

    def __init__(self) -> None:
        self._count, self._bytes = 0, hashlib.sha256()
        self._rest = np.empty(0, dtype=np.bool_)

    def update(self, flags: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> None:
        self._count += len(flags)
        waiting = np.concatenate([self._rest, flags]) if len(self._rest) else flags
        whole = len(waiting) // 8 * 8
        self._bytes.update(np.packbits(waiting[:whole]).tobytes())
        self._rest = waiting[whole:].copy()

    def digest(self) -> bytes:
        content = self._bytes.copy()
        content.update(np.packbits(self._rest).tobytes())
        content.update(str(self._count).encode())
        return content.digest()


def _inner_types(dtype: pl.DataType) -> list[pl.DataType]:
    if isinstance(dtype, pl.Struct):
        inner = [field.dtype for field in dtype.fields]
    else:
        inner = [dtype.inner] if isinstance(dtype, pl.List | pl.Array) else []
    return [pl.Series(dtype=each).dtype for each in inner]  # may be given as classes


def _type_name(column: str, dtype: pl.DataType) -> str:
    """A type in words of our own, without its inner types: those are digested with their values."""
    parameters: list[object] = []
    match dtype:
        case pl.Datetime():
            parameters = [dtype.time_unit, dtype.time_zone]
        case pl.Duration():
            parameters = [dtype.time_unit]
        case pl.Decimal():
            parameters = [dtype.precision, dtype.scale]
        case pl.Enum():
            parameters = dtype.categories.to_list()
        case pl.Array():
            parameters = [dtype.size]
        case pl.Struct():
            parameters = [field.name for field in dtype.fields]
        case pl.Object():
            raise InvalidArgumentError(
                argument=f"column {column!r}",
                problem="it holds Python objects",
                remedy="convert it to a type of polars, or leave it out",
            )
    return f"{type(dtype).__name__}{parameters}"


def _texts(present: pl.Series) -> pl.Series | None:
    """Values of varying length as bytes; `None` of all other types."""
    dtype = present.dtype
    if isinstance(dtype, pl.Decimal | pl.Int128 | pl.UInt128):  # numpy has no such integers
        return present.to_physical().cast(pl.String).cast(pl.Binary)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return present.cast(pl.String).cast(pl.Binary)
    return present if isinstance(dtype, pl.Binary) else None


def _joined(texts: pl.Series) -> memoryview | bytes:
    """All bytes one behind the other, without making a Python object of each."""
    array = texts.rechunk().to_arrow()
    _, offsets, content = array.buffers()
    if content is None or not len(array):
        return b""
    bounds = np.frombuffer(offsets, dtype=np.int64)
    first, last = bounds[array.offset], bounds[array.offset + len(array)]
    return memoryview(content)[first:last]


def _little_endian(values: pl.Series) -> memoryview:
    array = values.to_numpy()
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).data
