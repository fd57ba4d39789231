"""The order by which one row replaces another: (event timestamp, generation).

An order is stored as the first 14 bytes of a `FeatureRow` (fields 1 and 2), so that the online
store's Functions, the server and the publisher compare rows, floors and watermarks with one and the
same code.
"""

import struct
from typing import NamedTuple

_ORDER = struct.Struct("<BqBI")
_EVENT_TIMESTAMP_TAG = 0x09  # field 1, 64-bit
_GENERATION_TAG = 0x15  # field 2, 32-bit

ORDER_LENGTH = _ORDER.size
MAX_GENERATION = 2**32 - 1


class Order(NamedTuple):
    """Where a row stands among the rows of its entity; greater replaces smaller.

    Attributes:
        event_timestamp: Microseconds since 1970-01-01T00:00:00Z.
        generation: Which computation of its partition wrote the row; 1 is the first.
    """

    event_timestamp: int
    generation: int


FIRST = Order(-(2**63), 0)
"""Below every order that a row can have."""


def encode_order(order: Order) -> bytes:
    """The 14 bytes with which a row of this order begins."""
    return _ORDER.pack(
        _EVENT_TIMESTAMP_TAG, order.event_timestamp, _GENERATION_TAG, order.generation
    )


def decode_order(row: bytes) -> Order:
    """The order of an encoded row (or of an encoded order): reads the first 14 bytes alone.

    Raises:
        ValueError: `row` does not begin with an order.
    """
    if len(row) < ORDER_LENGTH:
        msg = f"a row begins with {ORDER_LENGTH} bytes of order; got {len(row)} bytes"
        raise ValueError(msg)
    first, event_timestamp, second, generation = _ORDER.unpack_from(row)
    if (first, second) != (_EVENT_TIMESTAMP_TAG, _GENERATION_TAG):
        msg = f"a row begins with field 1 and field 2; got the tags {first:#x} and {second:#x}"
        raise ValueError(msg)
    return Order(event_timestamp, generation)
