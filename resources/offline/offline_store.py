"""The offline store: a folder, or an S3 address, of Delta tables at fixed places."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import RLock

import polars as pl
import pyarrow.fs
from deltalake.fs import DeltaStorageHandler

from ...contract.document import decode_document
from ...contract.environment import Environment
from ...contract.errors import StoreUnavailableError
from ...contract.feature_group import FeatureGroupSpec
from ...contract.partitions import PARTITIONINGS, Partitioning
from .commit_log import CommitLog
from .conditional_puts import require_conditional_puts
from .offline_table import OfflineTable
from .patience import PATIENCE
from .table_spec import KeyedPartitions, TableKind, TableSpec

__all__ = ["OfflineStore", "TableKind", "TableSpec"]

_CUTS: Mapping[str, Partitioning | KeyedPartitions] = {
    **{cut.column: cut for cut in PARTITIONINGS.values()},
    KeyedPartitions().column: KeyedPartitions(),
}
_FEATURE_TABLE = re.compile(r"features/(?P<name>[^/]+)/v(?P<version>[0-9]+)")
_LOGS_AT_ONCE = 4  # reading one waits for the store, more than it works


class OfflineStore:
    """Finds tables and remembers their logs; make one per process and pass it on."""

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        namespace: str = "default",
    ) -> None:
        """Name the place; nothing is read or written before a table is used.

        Args:
            root: A folder (made on the first commit) or an `s3://bucket/prefix` address.
            storage_options: What delta-rs has to know about the address; what is not given here is
                taken from the usual variables (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …); how
                long an object store may keep us waiting, from `PATIENCE`.
            namespace: Whose live versions count where a reader names none; tables are shared.
        """
        self.namespace = namespace
        self.root = root.rstrip("/") if "://" in root else str(Path(root).resolve())
        patience = PATIENCE if "://" in self.root else {}
        self.storage_options = {**patience, **(storage_options or {})}
        self._logs: dict[str, CommitLog] = {}
        self._lock = RLock()
        self._is_checked = False

    @classmethod
    def from_env(cls, environment: Environment | None = None) -> "OfflineStore":
        """The store that `HEADRACE_OFFLINE` (or the home) names."""
        environment = environment or Environment.read()
        return cls(environment.offline, namespace=environment.namespace)

    def check(self) -> None:
        """Make sure that the store can be committed to; done once, before the first commit at last.

        A folder needs no check. An object store is written to and cleaned up again (see
        `conditional_puts`).

        Raises:
            UnsafeStoreError: It would lose commits.
            StoreUnavailableError: It cannot be written to.
        """
        with self._lock:
            if not self._is_checked and "://" in self.root:
                require_conditional_puts(self.root, self.storage_options)
            self._is_checked = True

    def table(self, spec: TableSpec) -> OfflineTable:
        """The table of this shape; it is created by its first commit."""
        log = self._log(spec.path)
        return OfflineTable(spec, log.uri, log)

    def stored_table(self, kind: TableKind, name: str, version: int = 1) -> OfflineTable | None:
        """The table of this name as it is stored, for readers without its declaration.

        Its spec has columns and partitioning, and says nothing of keys; `None` without a table.
        """
        log = self._log(TableSpec.path_of(kind, name, version))
        if log.refresh() < 0:
            return None
        delta = log.opened()
        layout = delta.metadata().partition_columns
        partitioning = next((_CUTS[column] for column in layout if column in _CUTS), None)
        schema = pl.Schema(delta.schema())
        spec = TableSpec(
            kind=kind,
            name=name,
            version=version,
            columns=tuple((name, dtype) for name, dtype in schema.items() if name not in layout),
            partitioning=partitioning,
            event_timestamp=None,
            stamped_at_end=False,
            key=(),
        )
        return OfflineTable(spec, log.uri, log)

    def feature_groups(self) -> Mapping[str, Mapping[int, FeatureGroupSpec]]:
        """The groups that have tables here, by name and version, as their newest documents say.

        Needs no declarations: whoever reads features reads what was committed.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        groups: dict[str, dict[int, FeatureGroupSpec]] = {}
        logs = [self._log(path) for path in self._feature_tables()]
        with ThreadPoolExecutor(_LOGS_AT_ONCE) as threads:
            newest = list(threads.map(CommitLog.refresh, logs))
        for log, version in zip(logs, newest, strict=True):
            document = log.document(version)
            if document is not None:
                group = decode_document(document)
                groups.setdefault(group.name, {})[group.version] = group
        return {name: dict(sorted(versions.items())) for name, versions in sorted(groups.items())}

    def _log(self, path: str) -> CommitLog:
        uri = f"{self.root}/{path}"
        with self._lock:
            return self._logs.setdefault(uri, CommitLog(uri, self.storage_options, self.check))

    def _feature_tables(self) -> list[str]:
        if "://" not in self.root and not Path(self.root).is_dir():
            return []
        files = pyarrow.fs.PyFileSystem(DeltaStorageHandler(self.root, self.storage_options))
        found: list[str] = []
        try:
            for folder in files.get_file_info(
                pyarrow.fs.FileSelector(str(TableKind.FEATURES), allow_not_found=True)
            ):
                versions = files.get_file_info(pyarrow.fs.FileSelector(folder.path))
                found += [item.path for item in versions if _FEATURE_TABLE.fullmatch(item.path)]
        except OSError as error:
            raise StoreUnavailableError(store=self.root, reason=str(error)) from error
        return found
