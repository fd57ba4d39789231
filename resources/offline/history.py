"""A feature table's history: a derived copy of its rows by bucket and month, quick to join.

The table itself has a file per partition and bucket; a year of days in 16 buckets is 5,840 small
files. Its history holds the same rows in one file per bucket and month, sorted by join keys and
event timestamp. Each of its commits is stamped with the version of the table that it covers.
Nothing depends on it: who finds no history, or none that fits, reads the table alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from .table_snapshot import TableSnapshot
from .table_spec import BUCKET_COLUMN, TableKind

MONTH_COLUMN = "event_month"
STAMP = "headrace.history"
"""The key of the stamp in a commit's metadata."""
_FIRST_LOOK = 8


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a commit of a history is a copy of.

    Attributes:
        covers: The version of the table whose rows it holds.
        table: The id of that very table: one that was made anew counts its versions anew.
    """

    covers: int
    table: str

    def to_json(self) -> str:
        """The stamp as it stands in the commit's metadata."""
        return json.dumps({"covers": self.covers, "table": self.table})


@dataclass(frozen=True, slots=True)
class History:
    """A history at one of its commits.

    Attributes:
        covers: The version of the table whose rows it holds.
        cells: The address of the file of each month and bucket that has rows.
    """

    covers: int
    cells: Mapping[tuple[str, int], str]


def month_of(partition: str) -> str:
    """The month that a partition's rows are kept under: that of its start, as in `2018-01`."""
    return partition[:7]


def history_uri(snapshot: TableSnapshot) -> str:
    """Where the history of a table lies: `history/<group>/v<n>` under the store's root."""
    root = snapshot.log.uri.removesuffix(snapshot.spec.path)
    return f"{root}history/{snapshot.spec.path.removeprefix(f'{TableKind.FEATURES}/')}"


def history_of(snapshot: TableSnapshot) -> History | None:
    """The newest history whose rows had all been committed at the snapshot's version.

    A history that cannot be read is none: it is a copy, and the table has its rows.
    """
    if snapshot.version < 0:
        return None
    options = dict(snapshot.log.storage_options)
    try:
        handle = DeltaTable(history_uri(snapshot), storage_options=options)
        found = _stamped(handle, snapshot)
        if found is None:
            return None
        version, stamp = found
        if version != handle.version():
            handle.load_as_version(version)
        return History(stamp.covers, cells_of(handle))
    except (DeltaError, OSError, ValueError):
        return None


def table_id(snapshot: TableSnapshot) -> str:
    """What tells a table from any other that lay or will lie at its address."""
    return str(snapshot.log.opened().metadata().id)


def newest_stamp(handle: DeltaTable) -> Stamp | None:
    """The stamp of the newest commit of a history that has one."""
    stamps = _stamps(handle, 1) or _stamps(handle, None)
    return stamps[0][1] if stamps else None


def cells_of(handle: DeltaTable) -> dict[tuple[str, int], str]:
    """The address of the file of each month and bucket, at the version that the handle has."""
    actions = pl.DataFrame(handle.get_add_actions(flatten=True))
    if actions.is_empty():
        return {}
    files = actions.select("path", f"partition.{MONTH_COLUMN}", f"partition.{BUCKET_COLUMN}")
    root = handle.table_uri.rstrip("/").removeprefix("file://")
    return {(month, bucket): f"{root}/{unquote(path)}" for path, month, bucket in files.iter_rows()}


def _stamped(handle: DeltaTable, snapshot: TableSnapshot) -> tuple[int, Stamp] | None:
    """The newest commit, with its version, that covers no more than the snapshot."""
    table = table_id(snapshot)
    # Most readers want the newest state: they need not load all that the log ever said.
    for limit in (_FIRST_LOOK, None):
        for version, stamp in _stamps(handle, limit):
            if stamp.table != table:
                return None
            if stamp.covers <= snapshot.version:
                return version, stamp
    return None


def _stamps(handle: DeltaTable, limit: int | None) -> list[tuple[int, Stamp]]:
    """The stamps of the newest commits, newest first."""
    commits: list[dict[str, Any]] = handle.history(limit=limit)
    stamped = ((int(each["version"]), each[STAMP]) for each in commits if STAMP in each)
    return sorted(
        ((version, Stamp(**json.loads(stamp))) for version, stamp in stamped),
        reverse=True,
        key=lambda each: each[0],
    )
