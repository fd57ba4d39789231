"""The steps by which rows leave a store.

Each names what it removes, so that it may be repeated, and is safe beside publishes: it removes a
row only as what it was when somebody judged it.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

from ...contract import store_keys
from .byte_column import ByteColumn
from .cluster_store import ClusterStore, Shard
from .group_state import GroupState
from .online_store import OnlineStore

_Item = TypeVar("_Item")
_Call: TypeAlias = tuple[Sequence[bytes], Sequence[bytes | str | int]]

_BATCH_ROWS = 500


def shares(store: OnlineStore, keys: ByteColumn) -> Iterator[tuple[OnlineStore, Sequence[bytes]]]:
    """The servers of a store, each with those of the keys whose rows it has."""
    if not isinstance(store, ClusterStore):
        yield store, keys
        return
    order, ends = store.places(keys)
    start = 0
    for part, end in zip(store.parts(), ends.tolist(), strict=True):
        yield part, keys.take(order[start:end])
        start = end


class Removal:
    """What can be taken away of one group version on one server."""

    def __init__(self, part: OnlineStore, group_id: int, reference: str) -> None:
        """Name the group.

        Args:
            part: One of the `parts` of a store.
            group_id: What stands for the group in every key.
            reference: What messages call it: `group@version`.
        """
        self._part, self._reference = part, reference
        self._is_shard = isinstance(part, Shard)
        namespace = part.namespace
        self._epoch = store_keys.epoch_key(namespace, group_id)
        self._floor = store_keys.floor_key(namespace, group_id)
        self._watermark = store_keys.watermark_key(namespace, group_id)
        self._publishes = (
            store_keys.intents_key(namespace, group_id),
            store_keys.markers_key(namespace, group_id),
        )

    def retire(self) -> None:
        """Begin to take the version away: reads become errors, publishes that go on are refused."""
        keys = [self._epoch, self._floor, self._watermark]
        with self._part.errors(self._reference):
            self._part.call("retire", keys, [secrets.token_bytes(8)])

    def forget(self) -> None:
        """Remove the group's state; a version that is not retired would seem never published."""
        with self._part.errors(self._reference) as client:
            client.unlink(self._epoch, self._floor, self._watermark, *self._publishes)

    def unlink(self, keys: Sequence[bytes]) -> int:
        """Remove rows, whatever they are; how many were there."""
        if self._is_shard:
            return self._called("unlink_apart", [([], some) for some in _batches(keys)])
        freed = 0
        with self._part.errors(self._reference) as client:
            for some in _batches(keys):
                freed += int(client.unlink(*some))
        return freed

    def sweep(self, keys: Sequence[bytes]) -> int:
        """Remove those of some rows that are below the floor; how many."""
        if self._is_shard:
            return self._called("sweep_apart", [([self._floor], some) for some in _batches(keys)])
        return self._called("sweep", [([self._floor, *some], []) for some in _batches(keys)])

    def discard(self, state: GroupState, rows: Sequence[tuple[bytes, bytes]]) -> int:
        """Remove rows of which nothing is known, each if it is still the one that was judged.

        Args:
            state: Read before the rows were: nothing is removed once an intent was raised since.
            rows: Key and row of each.

        Returns:
            How many were removed.
        """
        fixed = [self._epoch, self._watermark]
        head: list[bytes | str | int] = [state.epoch or b"", state.revision]
        calls: list[_Call]
        if self._is_shard:
            calls = [
                (fixed, [*head, *(word for row in some for word in row)]) for some in _batches(rows)
            ]
            return self._called("discard_apart", calls)
        calls = [
            ([*fixed, *(key for key, _ in some)], [*head, *(row for _, row in some)])
            for some in _batches(rows)
        ]
        return self._called("discard", calls)

    def _called(self, function: str, calls: Sequence[_Call]) -> int:
        if not calls:
            return 0
        with self._part.errors(self._reference):
            return sum(self._part.call_many(function, calls))


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[at : at + _BATCH_ROWS] for at in range(0, len(items), _BATCH_ROWS))
