"""What was taken of a source's landing, partition by partition, beside the tables."""

import json
from dataclasses import dataclass
from typing import Any

from ...contract.errors import StoreUnavailableError
from .object_files import ObjectFiles
from .offline_store import OfflineStore


@dataclass(frozen=True, slots=True)
class Arrival:
    """The files of a partition as they were when somebody was asked to read them.

    Attributes:
        files: A digest of their listing.
        request: Names the run that was asked for; `None` once they are taken.
        attempts: How many runs ended without an answer about the partition.
    """

    files: str
    request: str | None = None
    attempts: int = 0


class Arrivals:
    """The record of one source; its length is bounded by the number of partitions."""

    def __init__(self, store: OfflineStore, source: str) -> None:
        """Name the place; nothing is read yet."""
        self._path = f"arrivals/{source}.json"
        self._files = ObjectFiles(store.root, store.storage_options)

    def read(self) -> dict[str, Arrival]:
        """By partition; empty before the first.

        Raises:
            StoreUnavailableError: The store, or what stands there, cannot be read.
        """
        text = self._files.read(self._path)
        if text is None:
            return {}
        try:
            found: dict[str, list[Any]] = json.loads(text)
            return {partition: Arrival(*entry) for partition, entry in found.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreUnavailableError(
                store=self._path,
                reason="it is damaged; without it all files are read again, which commits nothing",
            ) from error

    def write(self, arrivals: dict[str, Arrival]) -> None:
        """Make this the record.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        entries = {
            partition: [each.files, each.request, each.attempts]
            for partition, each in sorted(arrivals.items())
        }
        self._files.write(self._path, json.dumps(entries).encode())
