"""Partitions as a command line names them."""

from datetime import datetime

from ..assets.partitions import Partitioned, parse_partitions
from ..contract.errors import InvalidArgumentError


def asked_partitions(
    history: Partitioned, text: str, now: datetime, *, option: str
) -> tuple[str, ...]:
    """The keys that `A..B` (both included) or `A` names, in order.

    Raises:
        PartitionOutOfRangeError: A key is misspelled, or its partition is not there or not over.
        InvalidArgumentError: B lies before A; or several where one is wanted (`--partition`).
    """
    first, _, last = text.partition("..")
    if last and last < first:
        raise InvalidArgumentError(
            argument=option,
            problem=f"{text} ends before it begins",
            remedy="write the earlier one first",
        )
    keys = parse_partitions(history, text, now)
    if option == "--partition" and len(keys) > 1:
        raise InvalidArgumentError(
            argument=option, problem=f"{text} names {len(keys)} partitions", remedy="name one"
        )
    return keys
