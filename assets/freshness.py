"""How old the newest data of a group are, against what it promises.

Age is the clock's present minus the end of the newest partition: the event timestamp up to which
everything is said. A backfill of an older partition does not change it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..contract.partitions import Partitioning
from ..resources.deployments import Publishing
from ..resources.offline.commit_log import Commit
from ..resources.online.opening import group_in
from .declarations import FeatureGroup

SCORED = timedelta(days=30)
"""The time over which a score is the share within the target."""
_GRACES_PER_PARTITION = 24


@dataclass(frozen=True, slots=True)
class Freshness:
    """The age of a group's data at an instant.

    Attributes:
        newest: The newest partition; `None` while there is none.
        age: How long ago it ended.
        target: The age at which the group is overdue.
        grace: How long computing and publishing may take when a partition has become due.
        expected: The oldest partition with which the group would be fresh.
        gaps: How many partitions are missing between the oldest there is and the expected one.
    """

    newest: str | None
    age: timedelta | None
    target: timedelta
    grace: timedelta
    expected: str
    gaps: int

    @property
    def is_fresh(self) -> bool:
        """Whether the data are no older than promised."""
        return self.age is not None and self.age <= self.target

    @property
    def is_violated(self) -> bool:
        """Whether they are so much older that somebody should look."""
        return self.age is None or self.age > self.target + self.grace

    def __str__(self) -> str:
        """One line that says how old, and what would be fresh."""
        if self.newest is None:
            return f"Nothing is there; {self.expected} is expected."
        wanted = "" if self.is_fresh else f"; {self.expected} is expected"
        return f"{self.newest} ended {self.age} ago, at most {self.target} is promised{wanted}."


def freshness(group: FeatureGroup, partitions: Iterable[str], now: datetime) -> Freshness:
    """How fresh a group is with these partitions: its committed ones, or its published ones."""
    there = set(partitions)
    newest = max(there, default=None)
    expected = _expected(group.partitions, now - group.freshness)
    return Freshness(
        newest=newest,
        age=None if newest is None else now - group.partitions.window(newest).end,
        target=group.freshness,
        grace=group.partitions.length / _GRACES_PER_PARTITION,
        expected=expected,
        gaps=_gaps(group.partitions, there, expected),
    )


def published_partitions(group: FeatureGroup, publishing: Publishing) -> Sequence[str] | None:
    """The partitions whose publish has finished; `None` while the store knows of none."""
    version = publishing.registry.published(group.name, group.version)
    if version is None:
        return None
    state = group_in(publishing.online, version.group_id, group.spec.reference).state()
    return sorted(state.markers) or None


def freshness_score(
    group: FeatureGroup, commits: Iterable[Commit], since: datetime, until: datetime
) -> float | None:
    """The share of a time in which the newest committed partition was no older than promised.

    Exact, from the instants at which partitions were committed, on the real clock; not sampled.
    Time before the first commit does not count; `None` where no time is left.

    Args:
        group: Whose target it is.
        commits: All that were ever made, in the order of their instants.
        since: Where the time begins, UTC.
        until: Where it ends.
    """
    newest, instant, fresh, counted = None, since, timedelta(0), timedelta(0)
    ahead = [*((commit.committed_at, commit.partition) for commit in commits), (until, "")]
    for committed_at, partition in ahead:
        at = min(committed_at, until)
        if newest is not None and at > instant:
            overdue_from = group.partitions.window(newest).end + group.freshness
            fresh += max(min(at, overdue_from) - instant, timedelta(0))
            counted += at - instant
        instant = max(instant, at)
        newest = max(newest or partition, partition)
    return fresh / counted if counted else None


def _gaps(partitioning: Partitioning, there: Collection[str], expected: str) -> int:
    oldest = min(there, default=expected)
    span = partitioning.window(expected).end - partitioning.window(oldest).start
    between = sum(key <= expected for key in there)
    return max(span // partitioning.length - between, 0) if there else 0


def _expected(partitioning: Partitioning, oldest_end: datetime) -> str:
    end = partitioning.floor(oldest_end)
    if end < oldest_end:
        end += partitioning.length
    return partitioning.key(end - partitioning.length)
