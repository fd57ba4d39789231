"""Partitions in many small files, as tools that append leave them behind."""

from pathlib import Path
from typing import Literal

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from headrace.resources.offline.entity_buckets import entity_buckets
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import BUCKET_COLUMN


def scatter(table: OfflineTable, partition: str, pieces: int) -> None:
    """Put the rows of a committed partition, shuffled, into so many files for each bucket."""
    spec = table.spec
    rows = table.snapshot().scan([partition]).collect()
    if spec.partitioning is not None:
        rows = rows.with_columns(pl.lit(partition).alias(spec.partitioning.column))
    if BUCKET_COLUMN in spec.partition_columns:
        rows = rows.with_columns(entity_buckets(rows, spec.key, spec.buckets))
    rows = rows.sample(fraction=1, shuffle=True, seed=7).select(spec.stored_schema.names())
    predicate = None
    if spec.partitioning is not None:
        predicate = f"{spec.partitioning.column} = '{partition}'"
    _write(table, rows[::pieces], mode="overwrite", predicate=predicate)
    for piece in range(1, pieces):
        _write(table, rows[piece::pieces], mode="append")


def _write(
    table: OfflineTable,
    rows: pl.DataFrame,
    *,
    mode: Literal["overwrite", "append"],
    predicate: str | None = None,
) -> None:
    while True:
        try:
            return write_deltalake(DeltaTable(table.uri), rows, mode=mode, predicate=predicate)  # type: ignore[arg-type]  # overloads
        except CommitFailedError:  # a compaction was here meanwhile
            continue


def files_on_disk(table: OfflineTable) -> int:
    """How many data files lie in the table's folder, whether or not a version refers to them."""
    return sum("_delta_log" not in path.parts for path in Path(table.uri).rglob("*.parquet"))
