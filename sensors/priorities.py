"""What goes first in the queue, and for a table's pool, when there is not room for all."""

from collections.abc import Iterable, Iterator

import dagster as dg
from dagster._core.storage.tags import PRIORITY_TAG

DUE = 10
"""What is due now: sources and dimensions at their times."""
CAUSED = 5
"""What follows from a change, by automation; what came late."""
BACKFILL = 0
"""Stretches of history, and what people launch."""
SPARE = -10
"""What lets every other go before it: maintenance."""


def priority(of: int) -> dict[str, str]:
    """The tags of a run of this priority."""
    return {PRIORITY_TAG: str(of)}


def with_priority(requests: Iterable[dg.RunRequest], of: int) -> Iterator[dg.RunRequest]:
    """The same requests, of this priority."""
    for request in requests:
        yield request.with_replaced_attrs(tags={**request.tags, **priority(of)})
