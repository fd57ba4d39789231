"""Where things lie in a Redis Cluster, as those who publish and those who read agree on it.

A row lies in the slot of its key's tag. What is said of a group (its floor, …) lies on each primary
for the rows of that primary, under a tag of one of its slots; the catalogue lies in one slot.
"""

import binascii
import json
from collections.abc import Sequence

from .document import digest
from .keys import TAGS

SLOTS = 16384
SLOT_OF_TAG = tuple(binascii.crc_hqx(tag[1:-1], 0) % SLOTS for tag in TAGS)


def slot_of(key: bytes) -> int:
    """The slot of any key."""
    _, _, rest = key.partition(b"{")
    tag, end, _ = rest.partition(b"}")
    return binascii.crc_hqx(tag if end and tag else key, 0) % SLOTS


def primary_tag(ranges: Sequence[tuple[int, int]]) -> str | None:
    """What stands behind the namespace in the names of what is said of a primary's rows.

    It puts the name into one of the primary's slots, and is another one after a slot was moved:
    what was said of other rows then says nothing.

    Args:
        ranges: First and last slot of each of its ranges, in order and not touching each other.

    Returns:
        `None` if no row can lie in these slots.
    """
    for tag, slot in zip(TAGS, SLOT_OF_TAG, strict=True):
        if any(first <= slot <= last for first, last in ranges):
            return tag.decode() + digest(json.dumps(ranges).encode())[:8]
    return None


def is_guard(key: bytes) -> bool:
    """Whether each primary has one of these for its own rows: a floor, or a watermark."""
    return key[:1] != b"{" and (b":floor:" in key or b":watermark:" in key)


def is_catalogue(key: bytes) -> bool:
    """Whether this is the key of neither a row nor a guard."""
    return key[:1] != b"{" and not is_guard(key)


def of_primary(key: bytes, tag: bytes) -> bytes:
    """The name of a guard (`store_keys.floor_key`) on the primary that has this `primary_tag`."""
    head, namespace, rest = key.split(b":", 2)
    return b"%b:%b%b:%b" % (head, namespace, tag, rest)


def of_catalogue(key: bytes) -> bytes:
    """The name of a pointer, manifest or document (`store_keys`): all in one slot."""
    head, namespace, rest = key.split(b":", 2)
    return b"%b:{%b}:%b" % (head, namespace, rest)
