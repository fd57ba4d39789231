"""Vacuum: files that no kept version of a table refers to are removed.

The log stays whole, so what was committed is known for ever; only rows of older versions go. What
delta-rs leaves in the log before it begins is how readers of such a version learn why.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow.fs
from deltalake import DeltaTable

from ..offline_table import OfflineTable
from ..stored_files import folder

MIN_AGE = timedelta(days=7)
"""How long a file stays after it was replaced: longer than any reader or writer takes."""

_TOMBSTONES = "delta.deletedFileRetentionDuration"
_TOMBSTONES_KEPT = timedelta(days=7)  # Delta's own default
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Vacuum:
    """What a vacuum removed, or would remove.

    Attributes:
        files: Data files that no kept version refers to, also those that no commit ever named.
        size: Their bytes.
    """

    files: int
    size: int


def vacuum(
    table: OfflineTable,
    keep: Collection[int],
    *,
    min_age: timedelta = MIN_AGE,
    dry_run: bool = False,
) -> Vacuum:
    """Remove the files that neither the newest version nor a kept or recent one refers to.

    Idempotent, and safe beside commits and readers that take less time than `min_age`: files that
    are not committed yet count from when they were written, others from when they were replaced.
    Files whose names begin with an underscore, and all in such folders, are not Delta's: they stay.

    Args:
        table: The table.
        keep: Delta versions that stay readable.
        min_age: Versions that were the newest at some time within it stay readable, too; rounded
            up to hours. Zero is for a table that nobody uses.
        dry_run: Only say what would be removed.
    """
    options = dict(table.log.storage_options)
    handle = DeltaTable(table.uri, storage_options=options)
    newest = int(handle.version())
    versions = {version for version in keep if 0 <= version <= newest} | _recent(handle, min_age)
    hours = math.ceil(min_age / _HOUR)
    # "Full" looks for files, not for tombstones, which checkpoints forget after a week.
    names = handle.vacuum(
        hours,
        dry_run=True,
        enforce_retention_duration=False,
        full=True,
        keep_versions=sorted(versions),
    )
    # Among them are files that an earlier vacuum removed.
    sizes = _sizes(table, names)
    if sizes and not dry_run:
        handle.vacuum(
            hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            keep_versions=sorted(versions),
        )
        table.log.refresh()
    return Vacuum(len(sizes), sum(sizes))


def _sizes(table: OfflineTable, names: list[str]) -> list[int]:
    """The bytes of each of these files that is there."""
    if not names:
        return []
    found = folder(table.uri, table.log.storage_options).get_file_info(names)
    return [file.size for file in found if file.type is pyarrow.fs.FileType.File]


def _recent(handle: DeltaTable, min_age: timedelta) -> set[int]:
    """The recent versions, where tombstones may be forgotten before they are old enough.

    delta-rs judges a file without a tombstone by when it was written, however recently it was
    replaced.
    """
    if min_age <= _TOMBSTONES_KEPT and _TOMBSTONES not in handle.metadata().configuration:
        return set()
    since = (datetime.now(UTC) - min_age).timestamp() * 1000
    recent: set[int] = set()
    for information in handle.history():  # the newest first
        recent.add(int(information["version"]))
        if information["timestamp"] < since:
            break
    return recent
