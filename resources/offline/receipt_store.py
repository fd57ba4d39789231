"""Receipts of training sets, kept in the offline store with the spines that they were made for.

    receipts/<id>.json             a receipt, as `assets/training/receipts.py` writes it
    receipts/spines/<name>.parquet rows of a spine, named by what they are

Nothing here is ever changed: a name stands for one content, so writing it again is no change. A
spine is kept for as long as a receipt names it; it is written before its receipt, and waits for it.
"""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from ...contract.errors import ReceiptUnreadableError
from .object_files import ObjectFiles
from .offline_store import OfflineStore

_FOLDER = "receipts"
_SPINES = f"{_FOLDER}/spines"
_JSON, _PARQUET = ".json", ".parquet"
_FRESH = timedelta(minutes=30)  # shorter than any `min_age`


class ReceiptStore:
    """The receipts of one offline store, whatever namespace they were made in."""

    def __init__(self, store: OfflineStore) -> None:
        """Name the store; nothing is read or written yet."""
        self._root = store.root
        self._files = ObjectFiles(store.root, store.storage_options)

    def write(self, receipt_id: str, text: str) -> None:
        """Keep a receipt, atomically; from then on maintenance keeps the versions that it names.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        if not self._files.missing([path := _path(receipt_id)]):
            return
        self._files.write(path, f"{text}\n".encode())

    def read(self, receipt_id: str) -> str | None:
        """A receipt's JSON; `None` when it is not kept here.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        content = self._files.read(_path(receipt_id))
        return None if content is None else content.decode().strip()

    def ids(self) -> list[str]:
        """The receipts that are kept."""
        return [name.removesuffix(_JSON) for name in self._files.names(_FOLDER, _JSON)]

    def named_versions(self) -> dict[str, set[int]]:
        """The Delta versions that kept receipts name, by group and version (`spend@1`).

        Raises:
            ReceiptUnreadableError: A file is no receipt. Whoever would remove versions must not
                guess what it names.
            StoreUnavailableError: The store cannot be read.
        """
        named: dict[str, set[int]] = {}
        for receipt_id in self.ids():
            for each in self._named(receipt_id, "tables", group=str, table_version=int):
                group, version = each["group"], each["table_version"]
                if version >= 0:  # there was nothing to keep otherwise
                    named.setdefault(group, set()).add(version)
        return named

    def remove_unnamed_spines(self, min_age: timedelta) -> int:
        """Remove the spines that no receipt names, and say how many those were.

        Args:
            min_age: How long a spine waits for its receipt: longer than a training set takes.

        Raises:
            ReceiptUnreadableError: A file is no receipt; then nothing is removed.
            StoreUnavailableError: The store cannot be read or written.
        """
        until = datetime.now(UTC) - min_age
        # Listed before receipts are read: what is named by then has its receipt among them.
        spines = self._files.written(_SPINES, _PARQUET)
        old = {name.removesuffix(_PARQUET) for name, at in spines.items() if at <= until}
        named = {
            part["name"]
            for receipt_id in (self.ids() if old else ())
            for part in self._named(receipt_id, "spine_parts", name=str)
        }
        unnamed = [name for name in sorted(old - named) if self._is_older(name, until)]
        for name in unnamed:
            self._files.remove_file(_spine_path(name))
        return len(unnamed)

    def _is_older(self, spine: str, until: datetime) -> bool:
        written = self._files.changed_at(_spine_path(spine))
        return written is not None and written <= until

    def write_spine(self, name: str, rows: pl.DataFrame) -> None:
        """Keep rows of a spine, atomically.

        Raises:
            StoreFullError: There is no room left.
            StoreUnavailableError: The store cannot be written.
        """
        path = _spine_path(name)
        written = self._files.changed_at(path)
        # An old one may be about to be removed, as no receipt names it yet.
        if written is not None and datetime.now(UTC) - written < _FRESH:
            return
        content = io.BytesIO()
        rows.write_parquet(content, compression="lz4", statistics=False)
        self._files.write(path, content.getvalue())

    def spine(self, name: str) -> pl.DataFrame | None:
        """The rows that are kept under a name; `None` when they are not.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        content = self._files.read(_spine_path(name))
        return None if content is None else pl.read_parquet(io.BytesIO(content))

    def _named(self, receipt_id: str, field: str, **types: type) -> list[dict[str, Any]]:
        """A list in a receipt, of objects with these values; nothing of one removed meanwhile."""
        text = self.read(receipt_id)
        if text is None:
            return []
        try:
            found = json.loads(text)[field]
            return [{key: kind(each[key]) for key, kind in types.items()} for each in found]
        except (ValueError, KeyError, TypeError) as error:
            path = f"{self._root}/{_path(receipt_id)}"
            raise ReceiptUnreadableError(path=path, reason=repr(error)) from error


def _path(receipt_id: str) -> str:
    return f"{_FOLDER}/{receipt_id}{_JSON}"


def _spine_path(name: str) -> str:
    return f"{_SPINES}/{name}{_PARQUET}"
