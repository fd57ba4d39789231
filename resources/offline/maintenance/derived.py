"""Files of tables whose older versions nobody asks for: histories, and the catalogue."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import unquote

import pyarrow.fs
from deltalake import DeltaTable

from ..stored_files import folder


def remove_replaced_files(
    handle: DeltaTable, storage_options: Mapping[str, str], kept: timedelta
) -> int:
    """Remove the files that were replaced, or written by nobody who lives, longer ago than `kept`.

    Returns:
        How many there were.
    """
    hours = int(kept / timedelta(hours=1))
    # It names files for as long as the log does, also when they are gone; and each vacuum is two
    # commits: look first.
    named = handle.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    files = folder(handle.table_uri.removeprefix("file://").rstrip("/"), storage_options)
    found = files.get_file_info(pyarrow.fs.FileSelector("", recursive=True)) if named else []
    present = {unquote(each.path) for each in found}.intersection(map(unquote, named))
    if present:
        handle.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
    return len(present)
