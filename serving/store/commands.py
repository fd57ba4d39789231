"""Keys as the bytes of commands, and replies as values."""

from collections.abc import Iterator
from itertools import groupby

from hiredis import ReplyError, pack_command

from ..reading import Keys, Values
from .link import Flight

_FEW = 16
_LENGTHS = tuple(b"\r\n$%d\r\n" % length for length in range(512))


def mgets(keys: Keys, at_once: int, parts: int) -> tuple[bytes, int]:
    """The MGETs of some keys, and how many they are.

    Args:
        keys: At least one.
        at_once: How many keys one command may have.
        parts: Of how many readings the keys are.
    """
    if len(keys) <= at_once:
        return _mget(keys, parts), 1
    slices = [keys[at : at + at_once] for at in range(0, len(keys), at_once)]
    return b"".join([_mget(each, 1) for each in slices]), len(slices)


def values_of_mgets(flight: Flight) -> Values | ReplyError:
    """The values in the order of the keys, or the first error."""
    if len(flight.replies) == 1:
        found: Values | ReplyError = flight.replies[0]
        return found
    values: Values = []
    for reply in flight.replies:
        if isinstance(reply, ReplyError):
            return reply
        values += reply
    return values


def _mget(keys: Keys, parts: int) -> bytes:
    # Of one reading most keys are of one length, so that its runs are joined in C; of many small
    # readings there are no runs. Measured: 4.0 against 8.9 µs for 100 keys, 6.5 against 3.0 for 32.
    if len(keys) < _FEW * parts:
        packed: bytes = pack_command(("MGET", *keys))  # type: ignore[arg-type]  # says 1-tuple
        return packed
    return b"".join((b"*%d\r\n$4\r\nMGET" % (len(keys) + 1), *_runs(keys), b"\r\n"))


def _runs(keys: Keys) -> Iterator[bytes]:
    for length, run in groupby(keys, len):
        head = _LENGTHS[length] if length < len(_LENGTHS) else b"\r\n$%d\r\n" % length
        yield head
        yield head.join(run)
