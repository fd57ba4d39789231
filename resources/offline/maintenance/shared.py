"""Maintenance of what the feature tables of a store share: the catalogue, and kept spines.

Whoever maintains a group does it, too, since it has no owner of its own; several at once do no
harm. It costs a listing where nothing is due.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from deltalake.exceptions import CommitFailedError

from ..catalogue_table import CatalogueTable
from ..offline_store import OfflineStore
from ..receipt_store import ReceiptStore
from .checkpoint import checkpoint_at
from .derived import remove_replaced_files
from .vacuum import MIN_AGE

_MANY_FILES = 32


@dataclass(frozen=True, slots=True)
class SharedMaintenance:
    """What was done.

    Attributes:
        spines_removed: How many files of spines went that no receipt names.
        events_compacted: How many files of the catalogue became one.
        files_removed: How many files of the catalogue went that were replaced long ago.
    """

    spines_removed: int
    events_compacted: int
    files_removed: int


def maintain_shared(store: OfflineStore, min_age: timedelta = MIN_AGE) -> SharedMaintenance:
    """Compact the catalogue, and remove the spines that no receipt names any more.

    Idempotent; the catalogue says the same before and after, at every instant, and each kept
    receipt can be replayed.

    Args:
        store: The store.
        min_age: How long a spine waits for its receipt, and a replaced file for its readers.

    Raises:
        ReceiptUnreadableError: A stored receipt does not say which spine it names.
        StoreUnavailableError: The store cannot be read or written.
    """
    compacted, removed = _maintain_catalogue(CatalogueTable(store), min_age)
    return SharedMaintenance(
        spines_removed=ReceiptStore(store).remove_unnamed_spines(min_age),
        events_compacted=compacted,
        files_removed=removed,
    )


def _maintain_catalogue(catalogue: CatalogueTable, min_age: timedelta) -> tuple[int, int]:
    with catalogue.errors():
        table = catalogue.opened()
        if table is None:
            return 0, 0
        files = len(table.file_uris())
        if files > _MANY_FILES:
            with suppress(CommitFailedError):  # somebody else did it: as good
                table.optimize.compact()
        checkpoint_at(catalogue.uri, catalogue.storage_options)
        removed = remove_replaced_files(table, catalogue.storage_options, min_age)
    return (files if files > _MANY_FILES else 0), removed
