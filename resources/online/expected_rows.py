"""The rows that should be stored of a group, said from the offline table and the markers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.order import Order
from ...contract.partitions import PARTITIONINGS
from ...contract.rows import from_microseconds
from ..offline.commit_log import Commit
from ..offline.table_snapshot import TableSnapshot
from .drawn_rows import Rows, drawn_rows
from .entity_search import newest_of_entities
from .group_state import GroupState
from .projection import buckets_of, commit_of, commits_of, newest_rows, of_entities, scan_commit

_SLICE_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class ExpectedRows:
    """What should be stored of a group.

    Attributes:
        group: As it is registered.
        snapshot: Of its offline table.
        state: How far it is published.
        by_history: Whether a copy of the table may be read where that is quicker.
    """

    group: FeatureGroupSpec
    snapshot: TableSnapshot
    state: GroupState
    by_history: bool = False

    def commits(self) -> list[Commit]:
        """The commits of which rows are served: the newest alone of a snapshot group."""
        if self.group.online is Online.UPSERT:
            return list(commits_of(self.snapshot, self.state.markers).values())
        if self.state.floor is None:
            return []
        served = {self.partition_of(self.state.floor): self.state.floor.generation}
        return list(commits_of(self.snapshot, served).values())

    def commit(self, partition: str) -> Commit | None:
        """The commit of a partition that is published; `None` when no row of it is served."""
        return next((each for each in self.commits() if each.partition == partition), None)

    def all(self, commits: Sequence[Commit] | None = None) -> Iterator[Rows]:
        """Every row, a slice of a bucket at a time.

        Args:
            commits: Those that are served; all when `None`, else the newest of them.
        """
        commits = self.commits() if commits is None else commits
        for bucket in buckets_of(self.snapshot) if commits else ():
            if self.group.online is Online.SNAPSHOT:
                for commit in commits:
                    scan = scan_commit(self.snapshot, commit, bucket)
                    for part in scan.collect_batches(chunk_size=_SLICE_ROWS):
                        yield commit, part
                continue
            for commit, rows in newest_rows(self.group, self.snapshot, commits, bucket=bucket):
                for part in rows.iter_slices(_SLICE_ROWS):
                    yield commit, part

    def of(self, entities: pl.DataFrame) -> Iterator[Rows]:
        """The rows of these entities, each given once, that have one."""
        if self.group.online is Online.UPSERT:
            yield from newest_of_entities(
                self.group, self.snapshot, self.commits(), entities, by_history=self.by_history
            )
            return
        for commit in self.commits() if entities.height else ():
            scan = scan_commit(self.snapshot, commit)
            yield commit, of_entities(self.group, scan, entities).collect()

    def of_all(self, commits: Sequence[Commit]) -> Iterator[Rows]:
        """The rows of every entity of these commits, which are few."""
        newest = {commit.partition for commit in commits}
        later = [each for each in self.commits() if each.partition > min(newest, default="")]
        if self.group.online is Online.SNAPSHOT or newest.issuperset(
            commit.partition for commit in later
        ):
            # No row of them is replaced by one that is not among them.
            return self.all(commits)
        return self.of_drawn(sum(commit.rows for commit in commits), commits)

    def of_drawn(self, number: int, commits: Sequence[Commit]) -> Iterator[Rows]:
        """The rows of entities drawn at random from these commits, about as many as asked.

        Rows are drawn, each with the same chance; in an upsert group the newest row of its entity
        is what is expected, so who is written more often is drawn more often.
        """
        drawn = list(drawn_rows(self.snapshot, commits, number, self._drawn_columns))
        if self.group.online is Online.SNAPSHOT:
            yield from drawn
        elif drawn:
            yield from self.of(pl.concat([rows for _, rows in drawn]).unique())

    def partition_of(self, order: Order) -> str:
        """The partition of a row that has this order."""
        partitioning = PARTITIONINGS[self.group.partitions]
        at = from_microseconds(order.event_timestamp)
        if self.group.online is Online.SNAPSHOT:
            at -= partitioning.length
        return partitioning.key(at)

    def published(self, order: Order) -> Commit | None:
        """The commit that a stored row of this order is from, if rows of it may be served."""
        partition = self.partition_of(order)
        generation = (
            self.state.markers.get(partition)
            if self.group.online is Online.UPSERT
            else self.state.floor and self.state.floor.generation
        )
        if generation != order.generation:
            return None
        return commit_of(self.snapshot, partition, order.generation)

    @property
    def _drawn_columns(self) -> Sequence[str] | None:
        return None if self.group.online is Online.SNAPSHOT else self.group.entity.key_names
