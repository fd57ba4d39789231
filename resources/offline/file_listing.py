"""The data files of one version of a table, as its log names them; nothing is opened."""

from dataclasses import dataclass
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from .table_spec import BUCKET_COLUMN


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One data file of a version: its address, the slice that it holds, its size in bytes."""

    uri: str
    partition: str | None
    bucket: int | None
    size: int


def listed(table: DeltaTable, uri: str, partition_column: str | None) -> tuple[StoredFile, ...]:
    """The files of the version that a table is opened at, by partition, bucket and address.

    Args:
        table: Opened at the version.
        uri: Its address, with which the files' addresses begin.
        partition_column: Which of its columns has the partitions, if it has any.
    """
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    partition, bucket = f"partition.{partition_column}", f"partition.{BUCKET_COLUMN}"
    nothing = [None] * actions.height
    files = zip(
        actions["path"].to_list(),
        actions[partition].to_list() if partition in actions.columns else nothing,
        actions[bucket].to_list() if bucket in actions.columns else nothing,
        actions["size_bytes"].to_list(),
        strict=True,
    )
    # Delta's paths are relative and percent-encoded, once more than the names on disk.
    stored = [
        StoredFile(f"{uri}/{unquote(path)}", key, number, size) for path, key, number, size in files
    ]
    return tuple(
        sorted(stored, key=lambda file: (file.partition or "", file.bucket or 0, file.uri))
    )


def names(table: DeltaTable) -> set[str]:
    """The names of its files under its address, as they are spelled on disk."""
    return {unquote(path) for path in pl.DataFrame(table.get_add_actions())["path"].to_list()}
