"""Where parts of a computation wait to become one commit: files beside the tables, in no log.

    staging/<table>/<attempt>/plan.json               what the attempt is to compute
    staging/<table>/<attempt>/<partition>/<n>.parquet the rows of part n
    staging/<table>/<attempt>/<partition>/<n>.json    written after them: that they are whole

An attempt is a run. Whoever writes a part again replaces it, so that a step may be retried.
"""

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from .object_files import ObjectFiles
from .offline_store import OfflineStore
from .table_spec import TableSpec

_ROOT = "staging"
_PLAN = "plan.json"


class Staging:
    """The files of one attempt to compute partitions of one table."""

    def __init__(self, store: OfflineStore, table: TableSpec, attempt: str) -> None:
        """Name the place; nothing is read or written yet."""
        self._files = ObjectFiles(store.root, store.storage_options)
        self._folder = f"{_ROOT}/{table.path}/{attempt}"

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Begin anew: with this plan, and no part.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        self._files.remove(self._folder)
        self._write_json(_PLAN, plan)

    def plan(self) -> dict[str, Any] | None:
        """The plan; `None` when the attempt was never begun, or has been removed.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        return self._read_json(_PLAN)

    def write_part(
        self, partition: str, part: int, rows: pl.DataFrame | None, said: Mapping[str, Any]
    ) -> None:
        """Keep the rows of a part, if it made some, and what was said about them.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        if rows is not None:
            content = io.BytesIO()
            rows.write_parquet(content, compression="zstd", compression_level=1)
            self._files.write(f"{self._part(partition, part)}.parquet", content.getvalue())
        self._write_json(f"{_folder_of(partition)}/{part}.json", said)

    def said(self, partition: str, part: int) -> dict[str, Any] | None:
        """What was said about a part; `None` while there is none.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        return self._read_json(f"{_folder_of(partition)}/{part}.json")

    def rows(self, partition: str, part: int) -> pl.DataFrame:
        """The rows of a part of which something was said.

        Raises:
            StoreUnavailableError: The store cannot be read.
            FileNotFoundError: It made none, or somebody removed them.
        """
        content = self._files.read(path := f"{self._part(partition, part)}.parquet")
        if content is None:
            raise FileNotFoundError(path)
        return pl.read_parquet(io.BytesIO(content))

    def remove(self) -> None:
        """Forget the attempt.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        self._files.remove(self._folder)

    def _part(self, partition: str, part: int) -> str:
        return f"{self._folder}/{_folder_of(partition)}/{part}"

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        self._files.write(f"{self._folder}/{name}", json.dumps(content).encode())

    def _read_json(self, name: str) -> dict[str, Any] | None:
        content = self._files.read(f"{self._folder}/{name}")
        found: dict[str, Any] | None = None if content is None else json.loads(content)
        return found


def attempts(store: OfflineStore, table: TableSpec) -> dict[str, datetime | None]:
    """The attempts that left something, and when each was begun; `None` of one without a plan.

    Raises:
        StoreUnavailableError: The store cannot be read.
    """
    files, folder = ObjectFiles(store.root, store.storage_options), f"{_ROOT}/{table.path}"
    return {name: files.changed_at(f"{folder}/{name}/{_PLAN}") for name in files.folders(folder)}


def remove_old(store: OfflineStore, table: TableSpec, min_age: timedelta) -> list[str]:
    """Remove the attempts that were begun so long ago that nobody works on them, and say which.

    Raises:
        StoreUnavailableError: The store cannot be read or written.
    """
    until = datetime.now(UTC) - min_age
    begun = attempts(store, table)
    old = [name for name, instant in begun.items() if instant is None or instant <= until]
    for name in old:
        Staging(store, table, name).remove()
    return old


def _folder_of(partition: str) -> str:
    return partition.replace(":", "")
