"""Columns of a Parquet file that lie as an array holds them, read straight into memory.

A column is *plain* when its values are one page, never null, encoded PLAIN, and its field is
required: then the page is the array, perhaps compressed (Parquet format, "Data Pages", "Plain").
Reading one costs little more than copying it; a general reader takes more than twice as much, for
the planning of it and for fresh memory. What is not plain is left to that reader.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .column_values import IN_ARRAYS, is_held_by_an_array

_STORED = {"<i4": "INT32", "<i8": "INT64", "<f4": "FLOAT", "<f8": "DOUBLE"}
"""How Parquet stores the values of an array."""
_CODEC, _RAW_LZ4 = "lz4", "lz4_raw"  # as the writer names it, and the bytes themselves
_BESIDE = b"headrace.beside"
_ONE_PAGE = 1 << 30
# The least that Parquet says before a page is 17 bytes, and the most, without statistics, 29.
_TWO_HEADERS = 34
_SAMPLE_ROWS = 8_192
# Copying an array takes a tenth of decompressing it; of other columns the decoding takes most.
_PLAIN_SHRINKS_TO, _OTHERS_SHRINK_TO = 0.5, 0.9


def write_plain(
    rows: pl.DataFrame, sink: pa.NativeFile, beside: tuple[bytes, str] | None = None
) -> None:
    """Write a Parquet file in which every column is plain that can be.

    Args:
        rows: At least one row.
        sink: A file that is open for writing.
        beside: What readers of Parquet pass over, between the pages and the footer, and words on
            it, which they find among the footer's.
    """
    plain = [name for name in rows.columns if is_held_by_an_array(rows[name])]
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = [field.with_nullable(field.name not in plain) for field in table.schema]
    table = pa.table(table.columns, schema=pa.schema(fields))
    others = [name for name in rows.columns if name not in plain]
    layout = {"compression": _compression(table, others), **_layout(others, table.num_rows)}
    with pq.ParquetWriter(sink, table.schema, **layout) as writer:
        writer.write_table(table, row_group_size=table.num_rows)
        if beside is not None:
            content, words = beside
            place = json.dumps([sink.tell(), len(content), words])
            sink.write(content)
            writer.add_key_value_metadata({_BESIDE.decode(): place})


@dataclass(frozen=True, slots=True)
class PlainFile:
    """What lies plain in a local file.

    Attributes:
        uri: The file's address.
        places: Where those of the columns that are wanted lie, by name.
        beside: Where what was written beside them lies, and the words on it.
    """

    uri: str
    places: "Mapping[str, _Place]"
    beside: tuple[int, int, str] | None = None

    @classmethod
    def of(cls, uri: str, schema: Mapping[str, pl.DataType]) -> "PlainFile":
        """Read a file's footer; in a file elsewhere nothing is plain.

        Args:
            uri: The file's address.
            schema: The columns that are wanted, with their types.

        Raises:
            OSError: The file cannot be read, or ends too early.
            ValueError: What it says of what was written beside the columns is damaged.
        """
        if "://" in uri:
            return cls(uri, {})
        try:
            footer = pq.read_metadata(uri)
        except pa.ArrowException as error:
            raise OSError(str(error)) from error
        found = (footer.metadata or {}).get(_BESIDE)
        return cls(uri, _places(footer, schema), None if found is None else _beside(found))

    def read(self, names: Collection[str]) -> dict[str, NDArray[Any]]:
        """Those of some columns that lie plain.

        Raises:
            OSError: The file cannot be read, or ends too early.
        """
        places = {name: place for name, place in self.places.items() if name in names}
        if not places:
            return {}
        with _opened(self.uri) as file:
            return {
                name: place.values(_stored(file, place.offset, place.stored_size))
                for name, place in places.items()
            }

    def read_beside(self) -> tuple[memoryview, str] | None:
        """What was written beside the rows, and the words on it.

        Raises:
            OSError: The file cannot be read, or ends too early.
        """
        if self.beside is None:
            return None
        offset, size, words = self.beside
        with _opened(self.uri) as file:
            return memoryview(_stored(file, offset, size)), words


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file the values of a plain column lie."""

    offset: int
    stored_size: int
    size: int
    is_compressed: bool
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, chunk: pq.ColumnChunkMetaData, dtype: np.dtype[Any]) -> "_Place | None":
        """The place of a column chunk's only page; `None` if it has more, or is no plain one."""
        size = chunk.num_values * dtype.itemsize
        header = chunk.total_uncompressed_size - size
        is_one_page = 0 < header < _TWO_HEADERS
        if chunk.has_dictionary_page or not is_one_page or set(chunk.encodings) - {"PLAIN", "RLE"}:
            return None
        if chunk.compression not in ("UNCOMPRESSED", "LZ4"):
            return None
        return cls(
            offset=chunk.data_page_offset + header,
            stored_size=chunk.total_compressed_size - header,
            size=size,
            is_compressed=chunk.compression == "LZ4",
            dtype=dtype,
        )

    def values(self, stored: pa.Buffer) -> NDArray[Any]:
        """What was stored, as an array."""
        values = pa.Codec(_RAW_LZ4).decompress(stored, self.size) if self.is_compressed else stored
        return np.frombuffer(values, self.dtype)


def _beside(found: bytes) -> tuple[int, int, str]:
    offset, size, words = json.loads(found)
    return int(offset), int(size), str(words)


@contextmanager
def _opened(uri: str) -> Iterator[int]:
    file = os.open(uri, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def _stored(file: int, offset: int, size: int) -> pa.Buffer:
    # Of Arrow's pool, which keeps what it has: fresh memory costs more than reading into it.
    stored = pa.allocate_buffer(size)
    if os.preadv(file, [memoryview(stored)], offset) != size:
        msg = "the file ends within its columns"
        raise OSError(msg)
    return stored


def _places(footer: pq.FileMetaData, schema: Mapping[str, pl.DataType]) -> dict[str, _Place]:
    """The plain columns among those that are wanted."""
    if footer.num_row_groups != 1:
        return {}
    group, found = footer.row_group(0), {}
    for index in range(group.num_columns):
        chunk = group.column(index)
        dtype = IN_ARRAYS.get(schema.get(chunk.path_in_schema, pl.Null()))
        is_required = footer.schema.column(index).max_definition_level == 0
        if dtype is None or chunk.physical_type != _STORED[dtype.str] or not is_required:
            continue
        place = _Place.of(chunk, dtype)
        if place is not None:
            found[chunk.path_in_schema] = place
    return found


def _layout(dictionaries: Sequence[str], rows: int) -> dict[str, Any]:
    return {
        "use_dictionary": dictionaries,
        "data_page_size": _ONE_PAGE,
        "max_rows_per_page": rows,
        "write_statistics": False,  # nobody filters by them
        "store_schema": False,
    }


def _compression(table: pa.Table, dictionaries: Sequence[str]) -> dict[str, str]:
    """LZ4, a tenth larger than zstd and read in half of the time; none where it gains too little.

    Some rows tell for all.
    """
    some, file = table.slice(table.num_rows // 2, _SAMPLE_ROWS), BytesIO()
    layout = _layout(dictionaries, some.num_rows)
    pq.write_table(some, file, compression=_CODEC, row_group_size=some.num_rows, **layout)
    group = pq.read_metadata(file).row_group(0)
    chunks = [group.column(index) for index in range(group.num_columns)]
    found = {}
    for chunk in chunks:
        others = chunk.path_in_schema.split(".")[0] in dictionaries
        worth_it = _OTHERS_SHRINK_TO if others else _PLAIN_SHRINKS_TO
        shrinks = chunk.total_compressed_size < worth_it * chunk.total_uncompressed_size
        found[chunk.path_in_schema] = _CODEC if shrinks else "none"
    return found
