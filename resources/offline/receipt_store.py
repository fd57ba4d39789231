"""Receipts of training sets, kept in the offline store: `receipts/<id>.json` under its root."""

import json
from pathlib import Path

import pyarrow.fs

from ...contract.errors import ReceiptUnreadableError, StoreUnavailableError
from .offline_store import OfflineStore
from .stored_files import folder

_FOLDER = "receipts"


class ReceiptStore:
    """The receipts of one offline store, whatever namespace they were made in."""

    def __init__(self, store: OfflineStore) -> None:
        """Name the store; nothing is read yet."""
        self._store = store

    def named_versions(self) -> dict[str, set[int]]:
        """The Delta versions that kept receipts name, by group and version (`spend@1`).

        Raises:
            ReceiptUnreadableError: A file is no receipt. Whoever would remove versions must not
                guess what it names.
            StoreUnavailableError: The store cannot be read.
        """
        root = self._store.root
        if "://" not in root and not Path(root, _FOLDER).is_dir():
            return {}
        named: dict[str, set[int]] = {}
        try:
            files = folder(root, self._store.storage_options)
            for path in self._paths(files):
                with files.open_input_stream(path) as stream:
                    tables = _tables(f"{root}/{path}", stream.read())
                for group, version in tables:
                    if version >= 0:  # there was nothing to keep otherwise
                        named.setdefault(group, set()).add(version)
        except OSError as error:
            raise StoreUnavailableError(store=f"{root}/{_FOLDER}", reason=str(error)) from error
        return named

    @staticmethod
    def _paths(files: pyarrow.fs.FileSystem) -> list[str]:
        found = files.get_file_info(pyarrow.fs.FileSelector(_FOLDER, allow_not_found=True))
        return sorted(each.path for each in found if each.path.endswith(".json"))


def _tables(path: str, content: bytes) -> list[tuple[str, int]]:
    try:
        tables = json.loads(content)["tables"]
        return [(str(each["group"]), int(each["table_version"])) for each in tables]
    except (ValueError, KeyError, TypeError) as error:
        raise ReceiptUnreadableError(path=path, reason=repr(error)) from error
