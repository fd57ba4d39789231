"""The maintenance of one table, step by step. Needs neither Dagster nor a declaration."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ....contract.errors import CommitConflictError
from ..commit_log import LEARNT
from ..gathered_log import gather
from ..history import history_uri
from ..history_refresh import HistoryRefresh, refresh_history
from ..offline_table import OfflineTable
from ..table_spec import TableKind
from .checkpoint import checkpoint, checkpoint_at
from .compaction import TARGET_BYTES, Compaction, compact
from .vacuum import MIN_AGE, Vacuum, vacuum

_REPEATED = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """What a vacuum has to keep.

    Attributes:
        versions: Why each of these Delta versions has to stay readable.
        unknown: Why it cannot be said which ones have to; then nothing is removed.
    """

    versions: Mapping[int, str] = field(default_factory=dict)
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What maintaining a table did, or would do.

    Attributes:
        table: Where it lies under the store's root.
        history: `None` where there is none: only feature tables have one.
        compaction: `None` when there is no table yet; then nothing else was done, either.
        checkpoint: The version of which a checkpoint was written; `None` when there was one.
        vacuum: `None` when nothing might be removed; `kept.unknown` says why.
        dry_run: Nothing was written or removed.
    """

    table: str
    history: HistoryRefresh | None
    compaction: Compaction | None
    checkpoint: int | None
    vacuum: Vacuum | None
    kept: Kept
    seconds: float
    dry_run: bool = False


def maintain_table(
    table: OfflineTable,
    kept: Kept,
    *,
    min_age: timedelta = MIN_AGE,
    target_bytes: int = TARGET_BYTES,
    dry_run: bool = False,
) -> Maintenance:
    """Refresh the history, compact, write a checkpoint, gather the log, vacuum; all idempotent.

    No answer of the table changes: rows, generations, identities, verdicts and what was known at an
    instant are the same before and after, and so are the rows of all versions that are kept.

    Raises:
        StoreUnavailableError: The store's files cannot be read or written.
    """
    begun = time.perf_counter()
    if not table.exists():
        return Maintenance(table.spec.path, None, None, None, None, kept, 0.0, dry_run)
    with table.errors("all"):
        # The history is copied from the files of partitions as they were committed: first.
        is_copied = table.spec.kind is TableKind.FEATURES and not dry_run
        history = _refreshed(table) if is_copied else None
        if history is not None:
            checkpoint_at(history_uri(table.snapshot()), table.log.storage_options)
        compaction = compact(table, target_bytes=target_bytes, dry_run=dry_run)
        written = checkpoint(table, dry_run=dry_run)
        if written is not None and not dry_run:
            gather(table.uri, table.log.storage_options, written, LEARNT)
        removed = (
            vacuum(table, kept.versions, min_age=min_age, dry_run=dry_run)
            if kept.unknown is None
            else None
        )
    table.log.refresh()
    seconds = round(time.perf_counter() - begun, 3)
    return Maintenance(
        table.spec.path, history, compaction, written, removed, kept, seconds, dry_run
    )


def _refreshed(table: OfflineTable) -> HistoryRefresh:
    """Refresh the history, again when a refresh that had begun earlier was done first."""
    for _ in range(_REPEATED):
        try:
            return refresh_history(table)
        except CommitConflictError:
            continue
    return refresh_history(table)
