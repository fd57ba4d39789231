"""Keeping a table's history: what was committed since it was last refreshed is copied into it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import time_ns
from uuid import uuid4

import polars as pl
import pyarrow as pa
import pyarrow.fs
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction

from ...contract.errors import CommitConflictError
from .cell_index import CellIndex
from .damage import explained
from .delta_writes import create
from .history import (
    MONTH_COLUMN,
    STAMP,
    Stamp,
    cells_of,
    history_uri,
    month_of,
    newest_stamp,
    table_id,
)
from .maintenance.derived import remove_replaced_files
from .offline_table import OfflineTable
from .plain_columns import write_plain
from .table_snapshot import TableSnapshot
from .table_spec import BUCKET_COLUMN

_APPLICATION = "headrace/history"
_LAYOUT = (MONTH_COLUMN, BUCKET_COLUMN)
_BUFFERED = 1 << 20
KEPT = timedelta(days=1)
"""How long a reader may go on reading files that a refresh has replaced."""


@dataclass(frozen=True, slots=True)
class HistoryRefresh:
    """What a refresh did.

    Attributes:
        covers: The version of the table that the history covers now; -1 without a table.
        months: The months that were written again, in order.
        rows: How many rows that was.
        files_removed: Old files of the history that were removed.
    """

    covers: int
    months: tuple[str, ...]
    rows: int
    files_removed: int


def refresh_history(table: OfflineTable, *, kept: timedelta = KEPT) -> HistoryRefresh:
    """Bring the history of a feature table up to its newest version.

    Rewrites the months of partitions that were committed since the version covered so far, one
    file for each bucket, in one Delta commit: readers see all of it or nothing. Needs memory for
    one bucket's rows of one month. A refresh that is killed leaves the history as it was; its files
    go with the next refresh that finds them older than `kept`. Repeating one writes nothing.

    Args:
        table: A feature table; nothing needs to be committed yet.
        kept: Files that were replaced longer ago are removed. Whoever still reads a version of the
            history that had one of them finds its rows in the table itself.

    Raises:
        CommitConflictError: Another process refreshed the history at the same time, to an older
            version of the table.
        StoreUnavailableError: The store's files cannot be read or written.
    """
    snapshot = table.snapshot()
    if snapshot.version < 0:
        return HistoryRefresh(-1, (), 0, 0)
    try:
        handle = _opened(snapshot)
        files = pyarrow.fs.PyFileSystem(
            DeltaStorageHandler(history_uri(snapshot), dict(snapshot.log.storage_options))
        )
        months, rows = _refreshed(snapshot, handle, files)
        removed = remove_replaced_files(handle, snapshot.log.storage_options, kept)
        return HistoryRefresh(snapshot.version, months, rows, removed)
    except CommitFailedError as error:
        return _overtaken(snapshot, error)
    except (DeltaError, OSError) as error:
        uri, options = history_uri(snapshot), snapshot.log.storage_options
        raise explained(uri, options, error) from error


def _refreshed(
    snapshot: TableSnapshot, handle: DeltaTable, files: pyarrow.fs.FileSystem
) -> tuple[tuple[str, ...], int]:
    stamp, table = newest_stamp(handle), table_id(snapshot)
    ours = stamp is not None and stamp.table == table
    covered = stamp.covers if stamp is not None and ours else -1
    months: dict[str, list[str]] = {}
    for partition in snapshot.commits:
        months.setdefault(month_of(partition), []).append(partition)
    stale = {
        month: partitions
        for month, partitions in months.items()
        if any(snapshot.commits[partition].version > covered for partition in partitions)
    }
    if not stale:
        return (), 0
    foreign = set() if ours else {month for month, _ in cells_of(handle)}
    written = list(_written(snapshot, stale, files))
    _commit(handle, written, sorted({*stale, *foreign}), Stamp(snapshot.version, table))
    return tuple(stale), sum(json.loads(action.stats)["numRecords"] for action in written)


def _written(
    snapshot: TableSnapshot, months: dict[str, list[str]], files: pyarrow.fs.FileSystem
) -> Iterator[AddAction]:
    """Write the months bucket by bucket; no more than one such cell is in memory."""
    for month, partitions in months.items():
        for bucket in range(snapshot.buckets):
            uris = snapshot.files(partitions, None if snapshot.buckets == 1 else [bucket])
            rows = snapshot.scan_files(uris).collect().sort(snapshot.spec.order)
            if rows.is_empty():
                continue
            path = f"{MONTH_COLUMN}={month}/{BUCKET_COLUMN}={bucket}/{uuid4().hex}.parquet"
            _write(rows, snapshot, path, files)
            yield AddAction(
                path=path,
                size=files.get_file_info(path).size,
                partition_values={MONTH_COLUMN: month, BUCKET_COLUMN: str(bucket)},
                modification_time=time_ns() // 1_000_000,
                data_change=True,
                stats=json.dumps({"numRecords": rows.height}),
            )


def _write(
    rows: pl.DataFrame, snapshot: TableSnapshot, path: str, files: pyarrow.fs.FileSystem
) -> None:
    # In an object store nobody reads by place, and so nobody would read it.
    is_local = "://" not in snapshot.log.uri
    index = CellIndex.of(rows, snapshot.spec) if is_local else None
    beside = None if index is None else index.to_bytes()
    # Delta's streams take bytes alone; what is buffered is given to them so.
    buffered = max(_BUFFERED, len(beside[0]) + 1 if beside else 0)
    with (
        files.open_output_stream(path) as stream,
        pa.BufferedOutputStream(stream, buffered) as sink,
    ):
        write_plain(rows, sink, beside)


def _commit(
    handle: DeltaTable, written: Sequence[AddAction], months: Sequence[str], stamp: Stamp
) -> None:
    handle.create_write_transaction(
        list(written),
        mode="overwrite",
        schema=handle.schema(),
        partition_by=list(_LAYOUT),
        partition_filters=[(MONTH_COLUMN, "in", list(months))],
        commit_properties=CommitProperties(
            custom_metadata={STAMP: stamp.to_json()},
            # Of two at once the second fails: it would bring back what the first replaced.
            app_transactions=[Transaction(_APPLICATION, stamp.covers)],
        ),
    )
    handle.update_incremental()


def _opened(snapshot: TableSnapshot) -> DeltaTable:
    """The history's table, made if need be, with every column that the table has."""
    uri, options = history_uri(snapshot), dict(snapshot.log.storage_options)
    schema = pl.Schema(
        {**snapshot.spec.schema, MONTH_COLUMN: pl.String(), BUCKET_COLUMN: pl.Int32()}
    )
    create(uri, schema, options, partition_by=_LAYOUT)
    handle = DeltaTable(uri, storage_options=options)
    known = pl.Schema(handle.schema())
    added = pl.Schema({name: dtype for name, dtype in schema.items() if name not in known})
    if added:
        handle.alter.add_columns(list(Schema.from_arrow(added).fields))
        handle.update_incremental()
    return handle


def _overtaken(snapshot: TableSnapshot, error: CommitFailedError) -> HistoryRefresh:
    """Another refresh committed first; that is as good, if it covers as much."""
    uri = history_uri(snapshot)
    stamp = newest_stamp(DeltaTable(uri, storage_options=dict(snapshot.log.storage_options)))
    if stamp is None or stamp.table != table_id(snapshot) or stamp.covers < snapshot.version:
        raise CommitConflictError(table=uri, partition="all", reason=str(error)) from error
    return HistoryRefresh(stamp.covers, (), 0, 0)
