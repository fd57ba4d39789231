"""Columns of a Parquet file that lie as an array holds them, read straight into memory.

A column is *plain* when its values are one page, never null, encoded PLAIN, and its field is
required: then the page is the array, perhaps compressed (Parquet format, "Data Pages", "Plain").
Reading one costs little more than copying it; a general reader takes more than twice as much, for
the planning of it and for fresh memory. What is not plain is left to that reader.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .column_values import is_held_by_an_array

# Of each type of a feature that an array holds: how Parquet stores it, and what numpy calls that.
_STORED: dict[pl.DataType, tuple[str, np.dtype[Any]]] = {
    pl.Int32(): ("INT32", np.dtype("<i4")),
    pl.Int64(): ("INT64", np.dtype("<i8")),
    pl.Float32(): ("FLOAT", np.dtype("<f4")),
    pl.Float64(): ("DOUBLE", np.dtype("<f8")),
    pl.Date(): ("INT32", np.dtype("<i4")),
    pl.Datetime("us", "UTC"): ("INT64", np.dtype("<i8")),
}
_CODEC, _RAW_LZ4 = "lz4", "lz4_raw"  # as the writer names it, and the bytes themselves
_ONE_PAGE = 1 << 30
# The least that Parquet says before a page is 17 bytes, and the most, without statistics, 29.
_TWO_HEADERS = 34
_SAMPLE_ROWS, _WORTH_IT = 8_192, 0.5


def write_plain(rows: pl.DataFrame, sink: str | pa.NativeFile) -> None:
    """Write a Parquet file in which every column is plain that can be.

    Args:
        rows: At least one row.
        sink: Where to: a path, or a file that is open for writing.
    """
    plain = [name for name in rows.columns if is_held_by_an_array(rows[name])]
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = [field.with_nullable(field.name not in plain) for field in table.schema]
    table = pa.table(table.columns, schema=pa.schema(fields))
    others = [name for name in rows.columns if name not in plain]
    compression = _compression(table, others)
    pq.write_table(table, sink, compression=compression, **_layout(others, table.num_rows))


def plain_columns(uri: str, schema: Mapping[str, pl.DataType]) -> dict[str, NDArray[Any]]:
    """Those of the columns that lie plain in a local file; of a file elsewhere none.

    Args:
        uri: The file's address.
        schema: The columns that are wanted, with their types.

    Raises:
        OSError: The file cannot be read, or ends too early.
    """
    if "://" in uri:
        return {}
    file = os.open(uri, os.O_RDONLY)
    try:
        places = _places(uri, schema)
        return {name: place.read(file, name, schema[name]) for name, place in places.items()}
    finally:
        os.close(file)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file the values of a plain column lie."""

    offset: int
    stored_size: int
    size: int
    is_compressed: bool

    @classmethod
    def of(cls, chunk: pq.ColumnChunkMetaData, width: int) -> "_Place | None":
        """The place of a column chunk's only page; `None` if it has more, or is no plain one."""
        size = chunk.num_values * width
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
        )

    def read(self, file: int, name: str, dtype: pl.DataType) -> NDArray[Any]:
        # Of Arrow's pool, which keeps what it has: fresh memory costs more than reading into it.
        stored = pa.allocate_buffer(self.stored_size)
        if os.preadv(file, [memoryview(stored)], self.offset) != self.stored_size:
            msg = f"the file ends within column {name!r}"
            raise OSError(msg)
        values = pa.Codec(_RAW_LZ4).decompress(stored, self.size) if self.is_compressed else stored
        return np.frombuffer(values, _STORED[dtype][1])


def _places(uri: str, schema: Mapping[str, pl.DataType]) -> dict[str, _Place]:
    """The plain columns among those that are wanted."""
    try:
        footer = pq.read_metadata(uri)
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
    if footer.num_row_groups != 1:
        return {}
    group, found = footer.row_group(0), {}
    for index in range(group.num_columns):
        chunk = group.column(index)
        stored = _STORED.get(schema.get(chunk.path_in_schema, pl.Null()))
        is_required = footer.schema.column(index).max_definition_level == 0
        if stored is None or chunk.physical_type != stored[0] or not is_required:
            continue
        place = _Place.of(chunk, stored[1].itemsize)
        if place is not None:
            found[chunk.path_in_schema] = place
    return found


def _layout(dictionaries: Sequence[str], rows: int) -> dict[str, Any]:
    return {
        "use_dictionary": dictionaries,
        "row_group_size": rows,
        "data_page_size": _ONE_PAGE,
        "max_rows_per_page": rows,
        "write_statistics": False,  # nobody filters by them
        "store_schema": False,
    }


def _compression(table: pa.Table, dictionaries: Sequence[str]) -> dict[str, str]:
    """LZ4, a tenth larger than zstd and read in half of the time; none where it gains nothing.

    Floats that no two rows share do not shrink, and what is not compressed is read in half of the
    time again. Some rows tell for all.
    """
    some, file = table.slice(table.num_rows // 2, _SAMPLE_ROWS), BytesIO()
    pq.write_table(some, file, compression=_CODEC, **_layout(dictionaries, some.num_rows))
    group = pq.read_metadata(file).row_group(0)
    chunks = [group.column(index) for index in range(group.num_columns)]
    return {
        chunk.path_in_schema: _CODEC
        if chunk.total_compressed_size < _WORTH_IT * chunk.total_uncompressed_size
        else "none"
        for chunk in chunks
    }
