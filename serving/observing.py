"""What the server tells whoever counts: a few numbers per call and per batch, and no library.

Everything here is called on the path of a lookup, from any thread that serves: an observer adds
numbers up and returns. What only has to be looked at (queues, open calls) is read at a scrape.
"""

from typing import NamedTuple, Protocol


class Tally(NamedTuple):
    """How many rows of a group an answer has, by their status.

    Attributes:
        group: `name@version`.
        present: Rows that hold; their values may be null.
        not_found: Entities without a row.
        stale: Rows that are older than their TTL or than the request allows.
        error: Rows that could not be read.
        oldest_age_seconds: The age of the oldest row that was served, STALE ones included; `None`
            when there was none, negative when it lies ahead of the clock.
    """

    group: str
    present: int
    not_found: int
    stale: int
    error: int
    oldest_age_seconds: float | None


class Observer(Protocol):
    """Adds up what happens; `metrics.Metrics` is one."""

    def answered(self, method: str, status: str, seconds: float) -> None:
        """A call ended.

        Args:
            method: `GetOnlineFeatures`, or another name of the service's; REST's begin with a verb.
            status: The name of its gRPC status, such as `OK`.
            seconds: From its last byte received to its answer handed over.
        """

    def batch(self, keys: int, readings: int, seconds: float) -> None:
        """The store was read once: so many keys for so many readings, in so many seconds."""

    def rows(self, tally: Tally) -> None:
        """A request was answered with rows of a group."""

    def breaker(self, state: str) -> None:
        """The store's circuit breaker is now `closed`, `open` or `half_open`."""


class Unobserved:
    """The observer of a server that nobody watches."""

    def answered(self, method: str, status: str, seconds: float) -> None:
        """Count nothing."""

    def batch(self, keys: int, readings: int, seconds: float) -> None:
        """Count nothing."""

    def rows(self, tally: Tally) -> None:
        """Count nothing."""

    def breaker(self, state: str) -> None:
        """Count nothing."""


UNOBSERVED = Unobserved()
"""The default; it has no state."""
