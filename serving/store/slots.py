"""Which node of a Cluster has which slots, as one of its nodes told."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

from ...contract.cluster_slots import SLOT_OF_TAG, SLOTS, of_catalogue, primary_tag, slot_of
from ...contract.keys import TAGS

Address: TypeAlias = tuple[str, int]

_TAG = 4  # bytes of a row's key
_NO_TAG = -1


@dataclass(frozen=True, slots=True)
class Primary:
    """A node that takes writes.

    Attributes:
        tag: Of what is said of its rows (`cluster_slots.primary_tag`); empty if it can have none.
        replicas: Where its rows may be read, too.
    """

    address: Address
    tag: bytes
    replicas: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SlotMap:
    """The primaries by the slots that they have.

    Attributes:
        owners: By slot, the place of its primary; `None` while it has none.
        owner_of_tag: The same by the first four bytes of a row's key, its tag.
    """

    primaries: tuple[Primary, ...]
    owners: tuple[int | None, ...]
    owner_of_tag: dict[bytes, int | None]

    def addresses(self) -> list[Address]:
        """Every node, primaries first."""
        replicas = [address for primary in self.primaries for address in primary.replicas]
        return [*(primary.address for primary in self.primaries), *replicas]

    def by_owner(self, keys: Sequence[bytes], rows: Sequence[int]) -> dict[int | None, list[int]]:
        """The places of keys that are no guards, by those of the primaries that have them."""
        owner_of_tag = self.owner_of_tag
        found: dict[int | None, list[int]] = {}
        for at in rows:
            owner = owner_of_tag.get(keys[at][:_TAG], _NO_TAG)
            if owner == _NO_TAG:
                owner = self.owners[slot_of(stored_name(keys[at]))]
            if owner in found:
                found[owner].append(at)
            else:
                found[owner] = [at]
        return found


def stored_name(key: bytes) -> bytes:
    """The name in a Cluster of a key that is no guard."""
    return key if key[:1] == b"{" else of_catalogue(key)


def slot_map(reply: Sequence[Any], asked: Address) -> SlotMap:
    """The map that a reply to CLUSTER SLOTS describes.

    Args:
        reply: Ranges, as RESP2 has them.
        asked: The node that replied: it may leave out its own host.

    Raises:
        ValueError: It is no such reply.
    """
    addresses: dict[Address, int] = {}
    replicas: list[dict[Address, None]] = []
    owners: list[int | None] = [None] * SLOTS
    for first, last, *nodes in reply:
        if not nodes:
            msg = f"the range {first}..{last} has no node"
            raise ValueError(msg)
        primary, *its_replicas = [_address(node, asked) for node in nodes]
        place = addresses.setdefault(primary, len(addresses))
        if place == len(replicas):
            replicas.append({})
        replicas[place].update(dict.fromkeys(its_replicas))
        owners[first : last + 1] = [place] * (last - first + 1)
    ranges = _ranges(owners, len(addresses))
    primaries = tuple(
        Primary(address, (primary_tag(ranges[place]) or "").encode(), tuple(replicas[place]))
        for address, place in addresses.items()
    )
    by_tag = {tag: owners[slot] for tag, slot in zip(TAGS, SLOT_OF_TAG, strict=True)}
    return SlotMap(primaries, tuple(owners), by_tag)


def _address(node: Sequence[Any], asked: Address) -> Address:
    host, port = node[0], node[1]
    named = host.decode() if isinstance(host, bytes) else host
    return (asked[0] if named in {None, "", "?"} else str(named), int(port))


def _ranges(owners: Sequence[int | None], primaries: int) -> list[list[tuple[int, int]]]:
    """First and last slot of each range of each primary, in order, those that touch as one."""
    ranges: list[list[tuple[int, int]]] = [[] for _ in range(primaries)]
    for place, run in groupby(range(len(owners)), owners.__getitem__):
        if place is not None:
            slots = list(run)
            ranges[place].append((slots[0], slots[-1]))
    return ranges
