"""Partitions as a command line names them."""

from datetime import datetime

from ..assets.partitions import Partitioned, parse_partitions
from ..contract.errors import InvalidArgumentError
from ..contract.partitions import Partitioning

_LETTERS = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH", "%M": "MM"}


def asked_partitions(
    history: Partitioned, text: str, now: datetime, *, option: str
) -> tuple[str, ...]:
    """The keys that `A..B` (both included) or `A` names, in order.

    Raises:
        PartitionOutOfRangeError: The partition of a key is not there or not over.
        InvalidArgumentError: A key is misspelled or left out; B lies before A; or several where one
            is wanted (`--partition`).
    """
    first, dots, last = text.partition("..")
    for key in (first, last) if dots else (first,):
        if not _is_key(history.partitions, key):
            raise InvalidArgumentError(
                argument=option,
                problem=f"{f'in {text!r}, ' if dots else ''}{key!r} is no partition",
                remedy=f"write {_in_words(history, is_one=option == '--partition')}",
            )
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


def _is_key(partitions: Partitioning, text: str) -> bool:
    try:
        partitions.window(text)
    except ValueError:
        return False
    return True


def _in_words(history: Partitioned, *, is_one: bool) -> str:
    """How a command line names partitions of this history."""
    form = history.partitions.key_format
    for code, letters in _LETTERS.items():
        form = form.replace(code, letters)
    example = f"{form}, such as {history.partitions.key(history.start)}"
    return example if is_one else f"{example}; of several the first and the last, as {form}..{form}"
