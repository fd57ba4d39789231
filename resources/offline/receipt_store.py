"""Receipts of training sets, kept in the offline store with the spines that they were made for.

    receipts/<id>.json             a receipt, as `assets/training/receipts.py` writes it
    receipts/spines/<name>.parquet rows of a spine, named by what they are

Nothing here is ever changed: a name stands for one content, so writing it again is no change.
"""

import io
import json

import polars as pl

from ...contract.errors import ReceiptUnreadableError
from .object_files import ObjectFiles
from .offline_store import OfflineStore

_FOLDER = "receipts"
_SPINES = f"{_FOLDER}/spines"
_JSON = ".json"


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
            for group, version in self._tables(receipt_id):
                if version >= 0:  # there was nothing to keep otherwise
                    named.setdefault(group, set()).add(version)
        return named

    def write_spine(self, name: str, rows: pl.DataFrame) -> None:
        """Keep rows of a spine, atomically.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        path = f"{_SPINES}/{name}.parquet"
        if not self._files.missing([path]):
            return
        content = io.BytesIO()
        rows.write_parquet(content, compression="lz4", statistics=False)
        self._files.write(path, content.getvalue())

    def spine(self, name: str) -> pl.DataFrame | None:
        """The rows that are kept under a name; `None` when they are not.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        content = self._files.read(f"{_SPINES}/{name}.parquet")
        return None if content is None else pl.read_parquet(io.BytesIO(content))

    def _tables(self, receipt_id: str) -> list[tuple[str, int]]:
        text = self.read(receipt_id)
        if text is None:  # removed since it was listed
            return []
        try:
            tables = json.loads(text)["tables"]
            return [(str(each["group"]), int(each["table_version"])) for each in tables]
        except (ValueError, KeyError, TypeError) as error:
            path = f"{self._root}/{_path(receipt_id)}"
            raise ReceiptUnreadableError(path=path, reason=repr(error)) from error


def _path(receipt_id: str) -> str:
    return f"{_FOLDER}/{receipt_id}{_JSON}"
