"""What an engine has done since it was made, for health and metrics."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Sums, only ever raised; read by other threads as they stand.

    Attributes:
        batches: Reads that were sent, each of many keys.
        keys: Keys that were sent.
        parts: Readings, or shares of readings, whose keys were sent.
        retried: Parts that were sent again, because their connection was lost.
        timeouts: Connections given up because a read took too long.
        losses: Connections that broke while reads were in flight.
        connects: Connections made.
        overloaded: Readings refused because the queue was full.
        cached: Keys that were not sent, because the cache had them.
        expired: Readings that ended at their deadline.
    """

    batches: int = 0
    keys: int = 0
    parts: int = 0
    retried: int = 0
    timeouts: int = 0
    losses: int = 0
    connects: int = 0
    overloaded: int = 0
    cached: int = 0
    expired: int = 0
