"""Checkpoints: opening a table reads the newest one and the few commits behind it.

Nothing of the log is ever cleaned: identities, verdicts and `committed_at` live in its commits.
"""

import json

from deltalake import DeltaTable

from ..offline_table import OfflineTable
from ..stored_files import folder

_LAST = "_delta_log/_last_checkpoint"


def checkpoint(table: OfflineTable, *, dry_run: bool = False) -> int | None:
    """Write a checkpoint of the newest version, unless there is one; the version, if one is due."""
    options = dict(table.log.storage_options)
    handle = DeltaTable(table.uri, storage_options=options)
    version = int(handle.version())
    if _last_checkpoint(table) >= version:
        return None
    if not dry_run:
        handle.create_checkpoint()
    return version


def _last_checkpoint(table: OfflineTable) -> int:
    try:
        with folder(table.uri, table.log.storage_options).open_input_stream(_LAST) as stream:
            return int(json.loads(stream.read())["version"])
    except (FileNotFoundError, ValueError):  # cut short, it is no better than none
        return -1
