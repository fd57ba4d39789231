"""The newest rows of some entities of an upsert group, without a look into every file of a year.

Partitions are searched from the newest on, because most entities are found there. What lies further
back may be looked up in the table's history, which has a file for each month and bucket, and not
for each partition; the table's own files stand in for what the history lacks. A history is a copy:
it may say quickly that all is well, and what it says against a row is to be asked of the table.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import polars as pl

from ...contract.feature_group import FeatureGroupSpec
from ...contract.partitions import PARTITIONINGS
from ..offline.commit_log import Commit
from ..offline.entity_buckets import entity_buckets
from ..offline.history import History, history_of, month_of
from ..offline.table_snapshot import TableSnapshot
from ..offline.table_spec import EVENT_TIMESTAMP
from .projection import by_partition, newest_per_entity, of_entities, scan_commits

_FIRST_STRETCHES = (1, 7)
_PARTITIONS_AT_ONCE = 32
_MONTHS_AT_ONCE = 12

_Item = TypeVar("_Item")


def newest_of_entities(
    group: FeatureGroupSpec,
    snapshot: TableSnapshot,
    commits: Iterable[Commit],
    entities: pl.DataFrame,
    *,
    by_history: bool = False,
    keys_only: bool = False,
) -> Iterator[tuple[Commit, pl.DataFrame]]:
    """The newest row of each of these entities among the rows of these commits.

    Args:
        group: An upsert group.
        snapshot: Of its table; at least as new as the commits.
        commits: One per partition.
        entities: Join keys, each once.
        by_history: Whether the table's history may be read in place of its many files.
        keys_only: Whether of a row only join keys and event timestamp are wanted.

    Yields:
        A commit and those of its rows that are the newest of their entity.
    """
    key = list(group.entity.key_names)
    by_key = {commit.partition: commit for commit in commits}
    buckets = None
    if snapshot.buckets > 1:
        buckets = entity_buckets(entities, key, snapshot.buckets).unique().sort().to_list()
    search = _Search(group, snapshot, by_key, buckets, by_history=by_history, keys_only=keys_only)
    for stretch in search.stretches():
        if entities.is_empty():
            return
        newest = stretch.newest(entities)
        entities = entities.join(newest, on=key, how="anti")
        for partition, rows in by_partition(group, newest):
            yield by_key[partition], rows


@dataclass(frozen=True, slots=True)
class _Search:
    """Where is searched.

    Attributes:
        commits: What is published, by partition.
        buckets: Whose files are opened; all when `None`.
        by_history: Whether the history may be read.
        keys_only: Whether features are left out.
    """

    group: FeatureGroupSpec
    snapshot: TableSnapshot
    commits: Mapping[str, Commit]
    buckets: Collection[int] | None
    by_history: bool
    keys_only: bool

    def stretches(self) -> Iterator["_Stretch"]:
        """The partitions from the newest on, in stretches that get longer."""
        left = [self.commits[partition] for partition in sorted(self.commits, reverse=True)]
        for number in _FIRST_STRETCHES:
            first, left = left[:number], left[number:]
            if first:
                yield _Stretch(self, first)
        is_far = self.by_history and len(left) > _PARTITIONS_AT_ONCE
        history = history_of(self.snapshot) if is_far else None
        if history is None:
            for part in _batches(left, _PARTITIONS_AT_ONCE):
                yield _Stretch(self, part)
            return
        by_month = groupby(left, lambda each: month_of(each.partition))
        months = [(month, list(its)) for month, its in by_month]
        for some in _batches(months, _MONTHS_AT_ONCE):
            yield self._of_months(history, dict(some))

    def _of_months(self, history: History, months: Mapping[str, Sequence[Commit]]) -> "_Stretch":
        """What is left of some months; in partitions that were searched nobody is found again."""
        newest = self.snapshot.commits
        every = {partition for partition in newest if month_of(partition) in months}
        covered = frozenset(
            partition
            for partition in every & self.commits.keys()
            if self.commits[partition].version == newest[partition].version <= history.covers
        )
        cells = [
            history.cells[month, bucket]
            for month in months
            for bucket in (self.buckets or [0])
            if (month, bucket) in history.cells
        ]
        members = [commit for its in months.values() for commit in its]
        return _Stretch(self, members, cells, covered, is_whole=covered == every)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Some partitions that follow each other, and where their rows are.

    Attributes:
        commits: Of all of them.
        history: Addresses of files of the history that have the rows of some of them.
        covered: Of which partitions these files have the very rows that are searched.
        is_whole: Whether they have no other rows.
    """

    search: _Search
    commits: Sequence[Commit]
    history: Sequence[str] = ()
    covered: frozenset[str] = frozenset()
    is_whole: bool = True

    def newest(self, entities: pl.DataFrame) -> pl.DataFrame:
        """The newest row of each of these entities that has one here."""
        if self.history:
            rest = [each for each in self.commits if each.partition not in self.covered]
            try:
                return self._newest([self._of_history(), *self._files(rest)], entities)
            except (pl.exceptions.PolarsError, OSError):
                pass  # it was removed as outdated, or is damaged; the table has all of its rows
        return self._newest(self._files(self.commits), entities)

    def _newest(self, scans: Sequence[pl.LazyFrame], entities: pl.DataFrame) -> pl.DataFrame:
        rows = of_entities(self.search.group, pl.concat(scans), entities)
        if self.search.keys_only:
            rows = rows.select(*self.search.group.entity.key_names, EVENT_TIMESTAMP)
        return newest_per_entity(self.search.group, rows).collect()

    def _files(self, commits: Sequence[Commit]) -> list[pl.LazyFrame]:
        return scan_commits(self.search.snapshot, commits, self.search.buckets)

    def _of_history(self) -> pl.LazyFrame:
        rows = self.search.snapshot.scan_files(list(self.history))
        if self.is_whole:
            return rows  # so that times need not be read to find an entity
        cut = PARTITIONINGS[self.search.group.partitions]
        starts = [cut.window(partition).start for partition in self.covered]
        start = pl.col(EVENT_TIMESTAMP).dt.truncate(cut.length)
        return rows.filter(start.is_in(starts))


def _batches(items: Sequence[_Item], number: int) -> Iterator[Sequence[_Item]]:
    return (items[at : at + number] for at in range(0, len(items), number))
