"""Comparing many stored rows with what they should be, without taking the replies apart.

The reply that says that every row is as expected is one string of bytes, and no other reply begins
with it. So it is made beforehand, and compared with what comes in.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import redis

from .byte_column import ByteColumn
from .online_store import send
from .wire import as_arguments

_ROWS = 1000
_CLOSED = "Connection closed by server."  # as redis-py says it


def equal_up_to(connection: redis.Connection, keys: ByteColumn, rows: ByteColumn) -> int:
    """How many rows, from the first on, are stored as expected; counts in steps, so may say fewer.

    Args:
        connection: To be given up unless all are: then its next reply has been read in part.
        keys: Where they are.
        rows: What is expected there.
    """
    asked, expected = as_arguments(keys), as_arguments(rows)
    cuts = [*range(0, len(keys), _ROWS), len(keys)]
    parts = [slice(start, stop) for start, stop in pairwise(cuts)]
    for part in parts[:1]:
        _ask(connection, asked[part])
    for place, part in enumerate(parts, 1):
        for following in parts[place : place + 1]:  # is worked on while this reply is compared
            _ask(connection, asked[following])
        number = part.stop - part.start
        if not _answers(connection, b"*%d\r\n" % number + bytes(expected[part].buffer)):
            return int(part.start)
    return len(keys)


def _ask(connection: redis.Connection, keys: ByteColumn) -> None:
    send(connection, [b"*%d\r\n$4\r\nMGET\r\n" % (len(keys) + 1), bytes(keys.buffer)])


def _answers(connection: redis.Connection, expected: bytes) -> bool:
    """Whether the next bytes are these; stops reading at the first part that is not."""
    wanted, at = memoryview(expected), 0
    for received in _received(connection, len(wanted)):
        if received != wanted[at : at + len(received)]:
            return False
        at += len(received)
    return True


def _received(connection: redis.Connection, length: int) -> Iterator[memoryview]:
    """So many bytes, as they come in.

    Raises:
        redis.ConnectionError: The store closed the connection.
        redis.TimeoutError: It fell silent.
    """
    # redis-py reads replies by taking them apart, and in no other way.
    socket: Any = connection._sock  # noqa: SLF001
    buffer = memoryview(bytearray(length))
    while length:
        try:
            number = socket.recv_into(buffer[:length])
        except TimeoutError as error:
            raise redis.TimeoutError(str(error)) from error
        except OSError as error:
            raise redis.ConnectionError(str(error)) from error
        if number == 0:
            raise redis.ConnectionError(_CLOSED)
        yield buffer[:number]
        length -= number
