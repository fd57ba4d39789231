"""A table pinned at one version: what it held, by partition, and which files hold it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ...contract.errors import TableVersionGoneError
from .commit_log import Commit, CommitLog
from .file_listing import StoredFile
from .patience import polars_options
from .table_spec import WHOLE, TableSpec


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """A table at one version; later commits do not change it.

    Attributes:
        version: The Delta version; -1 when there was nothing.
        commits: The newest commit of every committed partition, by key in order.
    """

    spec: TableSpec
    log: CommitLog
    version: int
    commits: Mapping[str, Commit]

    @property
    def document(self) -> bytes | None:
        """The group's document in force at this version."""
        return self.log.document(self.version)

    @property
    def buckets(self) -> int:
        """How many entity buckets the stored table has; 1 when nothing is stored."""
        return self.log.buckets() if self.version >= 0 else 1

    def at(self, version: int) -> "TableSnapshot":
        """The same table at another version, such as the one that an earlier generation made."""
        return TableSnapshot(self.spec, self.log, version, self.log.newest(version))

    def scan(
        self, partitions: Iterable[str] | None = None, buckets: Iterable[int] | None = None
    ) -> pl.LazyFrame:
        """The real columns of the given partitions (all when `None`), in the declared order.

        Opens the files of those partitions and buckets alone. Rows come partition by partition,
        inside each bucket sorted by key. A column that a file was written without is null there.

        Raises:
            TableVersionGoneError: This is an older version, and some of the files were vacuumed.
        """
        return self.scan_files(self.files(partitions, buckets))

    def scan_files(self, uris: list[str]) -> pl.LazyFrame:
        """Like `scan`, of these files: the table's own, or copies of its rows."""
        if not uris:
            return pl.LazyFrame(schema=self.spec.schema)
        return pl.scan_parquet(
            uris,
            schema=self.spec.schema,
            glob=False,
            hive_partitioning=False,
            missing_columns="insert",
            extra_columns="ignore",
            storage_options=polars_options(self.log.storage_options),
        )

    def files(
        self, partitions: Iterable[str] | None = None, buckets: Iterable[int] | None = None
    ) -> list[str]:
        """The addresses of the data files that `scan` would open, in its order.

        Raises:
            TableVersionGoneError: This is an older version, and some of the files were vacuumed.
        """
        keys = None if partitions is None else set(partitions)
        numbers = None if buckets is None else set(buckets)
        wanted = [
            file
            for file in self.stored_files()
            if (keys is None or (file.partition or WHOLE) in keys)
            and (numbers is None or file.bucket in numbers)
        ]
        missing = self.log.missing(self.version, wanted)
        if missing:
            raise TableVersionGoneError(
                group=self.spec.reference, version=self.version, reason=_vacuumed(missing)
            )
        return [file.uri for file in wanted]

    def stored_files(self) -> tuple[StoredFile, ...]:
        """The data files of this version, by partition, bucket and address; nothing is opened."""
        if self.version < 0:
            return ()
        column = self.spec.partitioning.column if self.spec.partitioning else None
        return self.log.files(self.version, column)


def _vacuumed(missing: Sequence[str]) -> str:
    return (
        f"a vacuum removed {len(missing)} of the files that hold it ({missing[0]}, …)."
        " Maintenance keeps versions that a stored receipt names, and others for as long as"
        " --min-age says: read a newer version, or restore the files from a copy"
    )
