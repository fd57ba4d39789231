"""One offline table: checked commits of whole partitions, and pinned snapshots of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from ...contract.document import digest
from ..tracing import span
from . import delta_writes, row_checks, schema_evolution
from .commit_log import Commit, CommitLog
from .store_errors import StoreErrors
from .table_snapshot import TableSnapshot
from .table_spec import BUCKETS, WHOLE, TableSpec

__all__ = ["Commit", "Computation", "OfflineTable", "TableSnapshot"]


@dataclass(frozen=True, slots=True)
class Computation:
    """A computed partition that has not been committed yet.

    Attributes:
        partition: A key of the table's partitioning; `"all"` for a table without one.
        frame: Its rows, in any order; no rows at all is a state like any other.
        identity: What the rows were computed from.
        verdicts: What the checks said, as JSON values; they stay in the log with the commit.
    """

    partition: str
    frame: pl.DataFrame
    identity: str
    verdicts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OfflineTable:
    """A table and the log that it shares with other users in this process.

    Attributes:
        uri: The address of the Delta table; nothing needs to be there yet.
    """

    spec: TableSpec
    uri: str
    log: CommitLog

    def exists(self) -> bool:
        """Whether the Delta table was ever created."""
        return self.log.refresh() >= 0

    def snapshot(
        self, known_at: datetime | None = None, version: int | None = None
    ) -> TableSnapshot:
        """What was committed: the newest state, or that of an instant or of a version.

        An absent table, or one that began later, gives an empty snapshot of version -1.

        Args:
            known_at: Reads the newest version whose own `committed_at` is at or before it.
            version: Reads this Delta version; goes before `known_at`.
        """
        newest = self.log.refresh()
        if version is None:
            version = newest if known_at is None else self.log.version_known_at(known_at)
        return TableSnapshot(self.spec, self.log, version, self.log.newest(version))

    def commit(
        self,
        partition: str,
        frame: pl.DataFrame,
        *,
        identity: str,
        run_id: str,
        code_version: str,
        verdicts: Mapping[str, Any],
        publish: str = "auto",
    ) -> Commit:
        """Make these rows the whole content of a partition; see `commit_all`."""
        computation = Computation(partition, frame, identity, verdicts)
        (commit,) = self.commit_all(
            [computation], run_id=run_id, code_version=code_version, publish=publish
        )
        return commit

    def commit_all(
        self,
        computations: Sequence[Computation],
        *,
        run_id: str,
        code_version: str,
        publish: str = "auto",
    ) -> list[Commit]:
        """Replace whole partitions, atomically and together, each as its next generation.

        A repetition of a partition's newest identity writes no rows and gives that commit with
        `no_op`. Different partitions may be committed at the same time, in any processes. One call
        with many partitions makes one Delta version, which is what a backfill saves its time by.

        Args:
            computations: Distinct partitions.
            run_id: The run that computed them.
            code_version: The code that computed them.
            publish: `"deferred"` keeps publishers from projecting them by themselves.

        Returns:
            One commit per computation, in the given order.

        Raises:
            ColumnMismatchError: Columns or types are not exactly the declared ones.
            RowsOutsidePartitionError: A row does not belong to its partition.
            DuplicateRowsError: A key is null, or not unique with its event timestamp.
            SchemaChangeError: The stored table has a schema that this one cannot follow.
            CommitConflictError: Another process committed one of the partitions at the same time.
            UnsafeStoreError: The store would lose commits.
            StoreFullError: There is no room left; nothing was committed.
            StoreUnavailableError: The store's files cannot be read or written.
        """
        ordered = [
            row_checks.checked(self.spec, each.partition, each.frame) for each in computations
        ]
        partitions = ", ".join(each.partition for each in computations)
        template = self._template(run_id=run_id, code_version=code_version, publish=publish)
        with (
            span("commit", table=self.spec.path, partitions=partitions) as note,
            self.log.lock,
            self.errors(partitions),
        ):
            self.log.check_store()
            while True:
                version, generations = self.log.refresh(), self._generations(computations)
                try:
                    commits = self._commit(computations, ordered, template)
                except CommitFailedError:
                    # A compaction moved files and computed nothing: then nobody was overtaken.
                    moved = self.log.refresh() > version
                    if not moved or self._generations(computations) != generations:
                        raise
                else:
                    note(
                        table_version=max((each.version for each in commits), default=version),
                        rows=sum(each.rows for each in commits),
                        no_op=all(each.no_op for each in commits),
                    )
                    return commits

    def stored_bytes(self) -> Counter[str]:
        """What the files of each partition come to, in the newest version; an empty one has none.

        Raises:
            StoreUnavailableError: The store's files cannot be read.
        """
        column = self.spec.partitioning.column if self.spec.partitioning else None
        with self.log.lock, self.errors("all"):
            version = self.log.refresh()
            files = self.log.files(version, column) if version >= 0 else ()
        found: Counter[str] = Counter()
        for file in files:
            found[file.partition or WHOLE] += file.size
        return found

    def errors(self, partitions: str) -> AbstractContextManager[None]:
        """Says in our words what delta-rs raises about these partitions."""
        return StoreErrors(self.uri, self.log.storage_options, partitions)

    def _commit(
        self, computations: Sequence[Computation], ordered: Sequence[pl.DataFrame], template: Commit
    ) -> list[Commit]:
        """One attempt to commit what was checked; the log is locked and newly read."""
        handle = self.log.handle or self._create()
        schema_evolution.check(self.spec, handle, self.log.document(handle.version()))
        newest = self.log.newest(handle.version())
        template = replace(template, committed_at=self.log.next_instant())
        wanted = [
            (_next_commit(template, handle, each), rows)
            for each, rows in zip(computations, ordered, strict=True)
            if not _repeats(each, newest)
        ]
        if wanted:
            delta_writes.write(self.spec, self.log, handle, wanted)
        else:
            delta_writes.declare(self.spec, self.log, handle)
        self.log.refresh()
        made = {commit.partition: commit.generation for commit, _ in wanted}
        return [
            self.log.commit(each.partition, made[each.partition])
            if each.partition in made
            else replace(newest[each.partition], no_op=True)
            for each in computations
        ]

    def _generations(self, computations: Sequence[Computation]) -> list[int]:
        """The newest known generation of each of these partitions; 0 without one."""
        newest = {commit.partition: commit for commit in self.log.commits}
        return [
            newest[each.partition].generation if each.partition in newest else 0
            for each in computations
        ]

    def _template(self, *, run_id: str, code_version: str, publish: str) -> Commit:
        """What the commits of one call have in common."""
        return Commit(
            partition="",
            generation=0,
            version=-1,
            rows=0,
            identity="",
            committed_at=self.log.next_instant(),
            run_id=run_id,
            code_version=code_version,
            verdicts={},
            publish=publish,
            document=digest(self.spec.document) if self.spec.document else None,
        )

    def _create(self) -> DeltaTable:
        delta_writes.create(
            self.uri,
            self.spec.stored_schema,
            self.log.storage_options,
            partition_by=self.spec.partition_columns,
            properties={BUCKETS: str(self.spec.buckets)},
        )
        self.log.refresh()
        return self.log.opened()


def _repeats(computation: Computation, newest: Mapping[str, Commit]) -> bool:
    last = newest.get(computation.partition)
    return last is not None and last.identity == computation.identity


def _next_commit(template: Commit, handle: DeltaTable, computation: Computation) -> Commit:
    application = delta_writes.application(computation.partition)
    return replace(
        template,
        partition=computation.partition,
        generation=(handle.transaction_version(application) or 0) + 1,
        rows=computation.frame.height,
        identity=computation.identity,
        verdicts=computation.verdicts,
    )
