"""Which rows of a group may answer a row of the spine: one interval says it for both semantics.

The answer is the entity's newest row with oldest <= event timestamp <= newest, where at a time t

* of an upsert group, newest is just before t floored to the partition: rows are known from their
  partition's end on; oldest is t - TTL.
* of a snapshot group, both are the end of the newest partition committed with end <= t: it alone
  says what was known. If its age t - end exceeds the TTL, nothing was.
"""

from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.partitions import PARTITIONINGS
from ...contract.status import microseconds
from ...resources.offline.cell_index import cut_of, partition_numbers
from ...resources.offline.column_values import Positions
from ...resources.offline.history import month_of

Instants: TypeAlias = NDArray[np.int64]
"""Microseconds since 1970, UTC."""
_EVER = np.iinfo(np.int64)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Intervals:
    """An interval for each of some rows of the spine; nothing is accepted where it is empty."""

    oldest: Instants
    newest: Instants

    def meeting(self, first: int, last: int) -> NDArray[np.bool_]:
        """Which of them have an instant in common with [first, last]."""
        return (self.newest >= first) & (self.oldest <= last)

    def at(self, positions: Positions) -> "Intervals":
        """Some of them."""
        return Intervals(self.oldest.take(positions), self.newest.take(positions))


@dataclass(frozen=True, slots=True)
class Month:
    """The partitions of a month that may hold an answer, and the event timestamps they may have."""

    key: str
    partitions: frozenset[str]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a group accepts, with the partitions that are committed.

    Attributes:
        partitions: Their keys, in order.
        starts: The least event timestamp that a row of each may have.
        ends: The greatest.
    """

    group: FeatureGroupSpec
    partitions: tuple[str, ...]
    starts: Instants
    ends: Instants

    @classmethod
    def of(cls, group: FeatureGroupSpec, committed: Collection[str]) -> "Acceptance":
        """What the group accepts when these partitions are committed."""
        partitions = tuple(sorted(committed))
        ends = _ends(group.partitions, partitions)
        if group.online is not Online.UPSERT:
            return cls(group, partitions, ends, ends)
        length = microseconds(PARTITIONINGS[group.partitions].length)
        return cls(group, partitions, ends - length, ends - 1)

    @property
    def key(self) -> Hashable:
        """The same for whatever accepts the same."""
        return self.group.online, self.group.ttl, self.group.partitions, self.partitions

    def intervals(self, times: Instants) -> Intervals:
        """What is accepted at each time."""
        ttl = self.group.ttl
        oldest = np.full_like(times, _EVER.min) if ttl is None else times - microseconds(ttl)
        if self.group.online is Online.UPSERT:
            length = microseconds(PARTITIONINGS[self.group.partitions].length)
            return Intervals(oldest, times // length * length - 1)
        number = np.searchsorted(self.ends, times, side="right")
        ends = np.concatenate([np.array([_EVER.min]), self.ends])[number]
        fresh = (number > 0) & (ends >= oldest)
        return Intervals(np.where(fresh, ends, _EVER.max), ends)

    def numbers(self, newest: Instants) -> NDArray[np.int64]:
        """The numbers of the partitions that are known up to some ends of intervals."""
        cut = PARTITIONINGS[self.group.partitions]
        stamped_at_end = self.group.online is not Online.UPSERT
        return partition_numbers(newest, cut_of(cut, stamped_at_end=stamped_at_end))

    def months(self, accepted: Intervals) -> Iterator[Month]:
        """The months, newest first, of the partitions that may hold a row of some intervals.

        Args:
            accepted: What is accepted at some times, in any order; nowhere nothing.
        """
        # Both bounds grow with the time, so that sorting each keeps them side by side.
        oldest, newest = np.sort(accepted.oldest), np.sort(accepted.newest)
        met = np.searchsorted(newest, self.starts) < np.searchsorted(oldest, self.ends, "right")
        months: dict[str, list[int]] = {}
        for index in np.flatnonzero(met).tolist():
            months.setdefault(month_of(self.partitions[index]), []).append(index)
        for key in reversed(months):
            indices = months[key]
            yield Month(
                key,
                frozenset(self.partitions[index] for index in indices),
                int(self.starts[indices[0]]),
                int(self.ends[indices[-1]]),
            )


@lru_cache(maxsize=8)
def _ends(partitioning: str, partitions: tuple[str, ...]) -> Instants:
    """When partitions end; many groups have the same ones, and of hours there are thousands."""
    cut = PARTITIONINGS[partitioning]
    ends = [microseconds(cut.window(key).end - _EPOCH) for key in partitions]
    found = np.array(ends, np.int64)
    found.flags.writeable = False  # it is everybody's
    return found
