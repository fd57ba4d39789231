"""Partitions: half-open UTC windows [start, end) by which everything is computed and committed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """The instants with start <= t < end, both UTC."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """As mathematics and messages write it."""
        return f"[{self.start:%Y-%m-%dT%H:%M}Z, {self.end:%Y-%m-%dT%H:%M}Z)"


@dataclass(frozen=True, slots=True)
class Partitioning:
    """A way to cut time: windows of one length, aligned to 1970-01-01T00:00Z, each with a key.

    Keys sort as their windows do, and are the ones that Dagster shows.

    Attributes:
        name: `"DAILY"` or `"HOURLY"`. column: The partition column of a Delta table: a copy of the
        key, beside the real event timestamp.
    """

    name: str
    length: timedelta
    key_format: str
    column: str

    def key(self, instant: datetime) -> str:
        """The key of the partition that holds this instant."""
        return self.floor(instant).strftime(self.key_format)

    def window(self, key: str) -> Window:
        """The window of a key.

        Raises:
            ValueError: `key` is not of this partitioning.
        """
        start = datetime.strptime(key, self.key_format).replace(tzinfo=UTC)
        if start.strftime(self.key_format) != key or self.floor(start) != start:
            msg = f"{key!r} is no {self.name} partition key; the form is {self.key_format}"
            raise ValueError(msg)
        return Window(start, start + self.length)

    def floor(self, instant: datetime) -> datetime:
        """The start of the partition that holds this instant; also the newest end <= it."""
        return instant - (instant - _EPOCH) % self.length

    def keys(self, start: datetime, end: datetime) -> Iterator[str]:
        """Keys of the partitions that lie wholly in [start, end), in order."""
        at = self.floor(start)
        if at < start:
            at += self.length
        while at + self.length <= end:
            yield at.strftime(self.key_format)
            at += self.length


DAILY = Partitioning("DAILY", timedelta(days=1), "%Y-%m-%d", "event_date")
HOURLY = Partitioning("HOURLY", timedelta(hours=1), "%Y-%m-%d-%H:%M", "event_hour")
PARTITIONINGS = {partitioning.name: partitioning for partitioning in (DAILY, HOURLY)}
RESERVED_COLUMNS = frozenset({DAILY.column, HOURLY.column, "entity_bucket", "event_month"})
"""Names of partition columns; no schema may use them."""
