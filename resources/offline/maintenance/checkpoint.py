"""Checkpoints: opening a table reads the newest one and the few commits behind it.

Nothing of the log is ever cleaned: identities, verdicts and `committed_at` live in its commits.
"""

import json
from collections.abc import Mapping

from deltalake import DeltaTable

from ..offline_table import OfflineTable
from ..stored_files import folder

_LAST = "_delta_log/_last_checkpoint"


def checkpoint(table: OfflineTable, *, dry_run: bool = False) -> int | None:
    """Write a checkpoint of the newest version, unless there is one; the version, if one is due."""
    return checkpoint_at(table.uri, table.log.storage_options, dry_run=dry_run)


def checkpoint_at(
    uri: str, storage_options: Mapping[str, str], *, dry_run: bool = False
) -> int | None:
    """The same, of any table at an address."""
    handle = DeltaTable(uri, storage_options=dict(storage_options))
    version = int(handle.version())
    if _last_checkpoint(uri, storage_options) >= version:
        return None
    if not dry_run:
        handle.create_checkpoint()
    return version


def _last_checkpoint(uri: str, storage_options: Mapping[str, str]) -> int:
    try:
        with folder(uri, storage_options).open_input_stream(_LAST) as stream:
            return int(json.loads(stream.read())["version"])
    except (FileNotFoundError, ValueError):  # cut short, it is no better than none
        return -1
