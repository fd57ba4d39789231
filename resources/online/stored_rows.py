"""What is stored of one group version: its rows, and how far it is published. Only read here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...contract import store_keys
from ...contract.keys import group_prefix
from ...contract.order import decode_order
from .byte_column import ByteColumn
from .group_state import GroupState
from .online_store import OnlineStore
from .read_back import equal_up_to

_READ_ROWS = 500
_SCAN_COUNT = 1000
_PREFIX_AT = slice(4, 6)  # behind the tag, in every row's key


class StoredRows:
    """The rows and the state of one group version, as they are in the online store."""

    def __init__(self, store: OnlineStore, group_id: int, reference: str) -> None:
        """Name the group.

        Args:
            store: Where its rows are.
            group_id: What stands for it in every key.
            reference: What messages call it: `group@version`.
        """
        namespace = store.namespace
        self.reference = reference
        self._store = store
        self._prefix = group_prefix(group_id)
        self._floor = store_keys.floor_key(namespace, group_id)
        self._watermark = store_keys.watermark_key(namespace, group_id)
        self._intents = store_keys.intents_key(namespace, group_id)
        self._markers = store_keys.markers_key(namespace, group_id)
        self._epoch = store_keys.epoch_key(namespace, group_id)

    def state(self) -> GroupState:
        """How far the group is published."""
        with self._store.errors() as client, client.pipeline(transaction=True) as pipeline:
            pipeline.mget(self._floor, self._watermark)
            pipeline.hgetall(self._intents)
            pipeline.hgetall(self._markers)
            pipeline.hgetall(self._epoch)
            pipeline.info("replication")
            (floor, watermark), intents, markers, about, info = pipeline.execute()
        return GroupState(
            floor=None if floor is None else decode_order(floor),
            watermark=None if watermark is None else decode_order(watermark),
            intents=_generations(intents),
            markers=_generations(markers),
            revision=int(about.get(b"revision", 0)),
            epoch=about.get(b"epoch"),
            first_intents=_first_intents(about),
            history=info["master_replid"],
        )

    def rows(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is stored under each key, live or not."""
        found: list[Any] = []
        with self._store.errors() as client:
            for at in range(0, len(keys), _READ_ROWS):
                found += client.mget(keys[at : at + _READ_ROWS])
        return found

    def unequal(self, keys: ByteColumn, rows: ByteColumn) -> dict[int, bytes | None]:
        """What is stored under those keys where it is not the expected row, by their place.

        Args:
            keys: Distinct.
            rows: What is expected under each.
        """
        with self._store.errors(), self._store.connection() as connection:
            start = equal_up_to(connection, keys, rows)
            if start < len(keys):  # in the middle of a reply
                connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
        found = zip(rows[start:], self.rows(keys[start:]), strict=True)
        return {place: stored for place, (row, stored) in enumerate(found, start) if row != stored}

    def random_keys(self, draws: int) -> list[bytes]:
        """Keys of the group among so many that are drawn from the whole store at random."""
        with self._store.errors() as client, client.pipeline(transaction=False) as pipeline:
            for _ in range(draws):
                pipeline.randomkey()
            drawn = pipeline.execute()
        return [key for key in drawn if key is not None and self._is_row(key)]

    def stored_keys(self) -> Iterator[bytes]:
        """The key of every stored row, live or not, each once; walks over the whole store."""
        seen: set[bytes] = set()  # a scan may name a key twice
        with self._store.errors() as client:
            for key in client.scan_iter(
                match=b"{??}" + _literal(self._prefix) + b"*", count=_SCAN_COUNT
            ):
                if self._is_row(key) and key not in seen:
                    seen.add(key)
                    yield key

    def _is_row(self, key: bytes) -> bool:
        return key[:1] == b"{" and key[_PREFIX_AT] == self._prefix


def _first_intents(about: Mapping[bytes, bytes]) -> dict[str, int]:
    prefix = b"first:"
    return {
        name.removeprefix(prefix).decode(): int(number)
        for name, number in about.items()
        if name.startswith(prefix)
    }


def _generations(found: Mapping[bytes, bytes]) -> dict[str, int]:
    return {partition.decode(): int(found[partition]) for partition in sorted(found)}


def _literal(raw: bytes) -> bytes:
    """A glob pattern that matches these bytes and nothing else."""
    return b"".join(b"\\" + raw[i : i + 1] for i in range(len(raw)))
