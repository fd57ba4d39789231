"""Parquet files as Iceberg registers them: partition, size, statistics, from their footers."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table.metadata import TableMetadata

_FOOTERS_AT_ONCE = 16
_ELEMENT = re.compile(r"(?P<column>.+)\.list\.\w+")


def data_files(
    settings: Mapping[str, str], metadata: TableMetadata, paths: Sequence[str]
) -> Sequence[DataFile]:
    """The files of these addresses for a table, in the given order; opens each one's footer alone.

    Like pyiceberg's `parquet_files_to_data_files`, and several at a time; a list's element may bear
    any name (`element`, `item`: writers differ, also from one commit to the next).

    Args:
        settings: Of the catalog: where the store answers, and how.
        metadata: The table's, with the columns that these files bring.
        paths: Of one store.
    """
    if not paths:
        return []
    io = load_file_io({**settings}, paths[0])
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as readers:
        return list(readers.map(lambda path: _data_file(io, metadata, path), paths))


def _data_file(io: FileIO, metadata: TableMetadata, path: str) -> DataFile:
    source = io.new_input(path)
    with source.open() as stream:
        footer = pq.read_metadata(stream)
    schema = metadata.schema()
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, metadata.properties),
        parquet_column_mapping=_column_ids(footer, parquet_path_to_id_mapping(schema)),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=statistics.partition(metadata.spec(), schema),
        file_size_in_bytes=len(source),
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _column_ids(footer: pq.FileMetaData, known: dict[str, int]) -> dict[str, int]:
    paths = (footer.schema.column(position).path for position in range(footer.num_columns))
    return {path: known[_ELEMENT.sub(r"\g<column>.list.element", path)] for path in paths}
