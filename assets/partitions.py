"""Which partitions exist: of a history that begins somewhere, up to a moment, inside a window."""

from datetime import datetime
from typing import Protocol

from ..contract.errors import PartitionOutOfRangeError
from ..contract.partitions import Partitioning, Window

PARTITIONS_A_RUN = 64
"""How many partitions one run of a backfill computes, at most.

A process start costs as much as some hundred small partitions; but whoever is due today waits until
the run that writes the same table has ended.
"""


class Partitioned(Protocol):
    """What is computed partition by partition: a source, a feature group, a training set."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def start(self) -> datetime:
        """The start of its first partition."""
        ...

    @property
    def partitions(self) -> Partitioning:
        """How its time is cut."""
        ...


def partitions_in(history: Partitioned, window: Window) -> tuple[str, ...]:
    """Keys of the partitions wholly in a window, in order; none from before the history begins."""
    return tuple(history.partitions.keys(max(window.start, history.start), window.end))


def partitions_until(history: Partitioned, now: datetime) -> tuple[str, ...]:
    """Keys of all partitions that are over, in order."""
    return partitions_in(history, Window(history.start, now))


def parse_partitions(history: Partitioned, text: str, now: datetime) -> tuple[str, ...]:
    """The keys that `A..B` (both included) or `A` names, in order.

    Raises:
        PartitionOutOfRangeError: A key is misspelled, or its partition is not there or not over.
    """
    first, dots, last = text.partition("..")
    existing = partitions_until(history, now)
    for key in (first, last if dots else first):
        if key not in existing:
            raise _out_of_range(history, key, existing)
    keys = existing[existing.index(first) : existing.index(last if dots else first) + 1]
    if not keys:
        raise _out_of_range(history, text, existing)
    return keys


def _out_of_range(
    history: Partitioned, partition: str, existing: tuple[str, ...]
) -> PartitionOutOfRangeError:
    return PartitionOutOfRangeError(
        subject=repr(history.name),
        partition=partition,
        first=existing[0] if existing else "nowhere",
        last=existing[-1] if existing else "nowhere",
    )


def first_partition_start(instant: datetime, partitioning: Partitioning) -> datetime:
    """The start of the first whole partition at or after an instant."""
    floor = partitioning.floor(instant)
    return floor if floor == instant else floor + partitioning.length
