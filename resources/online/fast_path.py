"""Writing rows that lie ahead of everything stored, without comparing them one by one.

A batch is written by `WATCH` watermark, intents and epoch; read them; `MULTI`, `MSET`…, `SET`
watermark, `EXEC`. It is taken when the batch's lowest order is not below the watermark; whose rows
the watermark stands for does not matter, so that the second batch of a publish, whose watermark is
its own, needs no claim on it.

Why no newer row is lost. *Invariant*: the watermark is an upper bound of the order of every stored
row of the group (no watermark: no row). Every Function that stores a row sets it, also to the value
that it had, in the same atomic call. So if `EXEC` succeeds, no row was stored since the watermark
was read, and each stored row is at most the watermark, hence at most the row that replaces it. Where
the two are equal they are one row: an entity has one row of an event timestamp and a generation.
Afterwards the watermark is the batch's highest order: the invariant holds, and whoever had read the
watermark before starts again.

Why no row below the floor is written: a floor is raised together with the watermark, to the same
order at most, so the watermark is never below it.

Why no fenced or lost publish writes: an intent that is raised, or a flush, touches a watched key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import redis

from ...contract.order import ORDER_LENGTH, Order, decode_order, encode_order
from .byte_column import ByteColumn, Integers
from .online_store import read_replies
from .wire import as_pairs, command, multi_set

_BATCH_ROWS = 1000  # longer transactions would hold up readers for more than a millisecond
_KEYS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are written in one transaction.

    Attributes:
        start: The place of the first of them among the rows that are to be written.
        stop: The place behind the last.
        pairs: Each key and row as two arguments.
        lowest: The least order among them.
        highest: The greatest.
    """

    start: int
    stop: int
    pairs: ByteColumn
    lowest: Order
    highest: Order

    def transaction(self, watermark_key: bytes) -> bytes:
        """The commands that write it, and its highest order as the watermark."""
        mark = command("SET", watermark_key, encode_order(self.highest))
        sets = multi_set(self.pairs, _KEYS_AT_ONCE)
        return b"".join(chain([command("MULTI")], sets, [mark, command("EXEC")]))

    @property
    def commands(self) -> int:
        """How many commands the transaction queues."""
        return -(-len(self.pairs) // _KEYS_AT_ONCE) + 1


@dataclass(frozen=True, slots=True)
class Look:
    """What is watched, as it was read.

    Attributes:
        watermark: `None` while no row is stored.
        intent: The generation that may write the partition.
        epoch: Which online state this is.
    """

    watermark: Order | None
    intent: int | None
    epoch: bytes | None

    def is_behind(self, batch: Batch) -> bool:
        """Whether something stored may be greater than some of the batch."""
        return self.watermark is not None and batch.lowest < self.watermark


class FastPath:
    """A connection on which one publish writes batch after batch.

    The next look travels with the transaction before it: one round trip a batch.
    """

    def __init__(
        self, connection: redis.Connection, *, watermark: bytes, intents: bytes, epoch: bytes
    ) -> None:
        """Name the keys; nothing is sent yet."""
        self._connection = connection
        self._watermark = watermark
        self._intents, self._epoch = intents, epoch

    def look(self, partition: str, *, after: bytes = b"") -> None:
        """Ask for a look, behind commands whose replies are read before it."""
        self._send(
            after
            + command("WATCH", self._watermark, self._intents, self._epoch)
            + command("GET", self._watermark)
            + command("HGET", self._intents, partition)
            + command("HGET", self._epoch, "epoch")
        )

    def seen(self) -> Look:
        """The look that was asked for."""
        _, watermark, intent, epoch = self._replies(4)
        return Look(
            None if watermark is None else decode_order(watermark),
            None if intent is None else int(intent),
            epoch,
        )

    def write(self, batch: Batch, partition: str | None) -> bool:
        """Write a batch, and ask for the look at what follows, of this partition, if anything does.

        Returns:
            Whether it was written; otherwise something watched was touched, and nothing is.
        """
        transaction = batch.transaction(self._watermark)
        if partition is None:
            self._send(transaction)
        else:
            self.look(partition, after=transaction)
        *_, outcome = self._replies(batch.commands + 2)
        if outcome is None:
            return False
        for each in outcome:
            if isinstance(each, Exception):
                raise each
        return True

    def forget(self) -> None:
        """Watch nothing any more."""
        self._send(command("UNWATCH"))
        self._replies(1)

    def _send(self, commands: bytes) -> None:
        self._connection.send_packed_command([commands], check_health=False)

    def _replies(self, number: int) -> list[Any]:
        return read_replies(self._connection, number)


def batches(keys: ByteColumn, rows: ByteColumn) -> list[Batch]:
    """Rows in their order, cut into batches."""
    pairs, (stamps, generations) = as_pairs(keys, rows), _orders(rows)
    return list(_cut(pairs, stamps, generations))


def _cut(pairs: ByteColumn, stamps: Integers, generations: Integers) -> Iterator[Batch]:
    for start in range(0, len(pairs), _BATCH_ROWS):
        part = slice(start, min(start + _BATCH_ROWS, len(pairs)))
        lowest, highest = _extremes(stamps[part], generations[part])
        yield Batch(part.start, part.stop, pairs[part], lowest, highest)


def _orders(rows: ByteColumn) -> tuple[Integers, Integers]:
    """Event timestamps and generations, read where a row begins."""
    heads = rows.raw[rows.offsets[:-1, np.newaxis] + np.arange(ORDER_LENGTH)]
    stamps = np.ascontiguousarray(heads[:, 1:9]).view("<i8")[:, 0]
    generations = np.ascontiguousarray(heads[:, 10:14]).view("<u4")[:, 0]
    return stamps, generations.astype(np.int64)


def _extremes(stamps: Integers, generations: Integers) -> Sequence[Order]:
    first, last = stamps.min(), stamps.max()
    lowest, highest = generations[stamps == first].min(), generations[stamps == last].max()
    return Order(int(first), int(lowest)), Order(int(last), int(highest))
