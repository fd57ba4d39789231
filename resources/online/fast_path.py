"""Writing rows that lie ahead of everything stored, without comparing them one by one.

A batch is written by `WATCH` watermark, intents and epoch; read them; `MULTI`, `MSET`…, `SET`
watermark, `EXEC`. It is taken when the batch's lowest order is not below the watermark; whose rows
the watermark stands for does not matter, so that the second batch of a publish, whose watermark is
its own, needs no claim on it.

Why no newer row is lost. *Invariant*: the watermark is an upper bound of the order of every stored
row of the group (no watermark: no row). Every Function that stores a row sets it, also to the value
that it had, in the same atomic call. So if `EXEC` succeeds, no row was stored since the watermark
was read, and each stored row is at most the watermark, hence at most the row that replaces it.
Where the two are equal they are one row: an entity has one row of an event timestamp and a
generation. Afterwards the watermark is the batch's highest order: the invariant holds, and whoever
had read the watermark before starts again.

Why no row below the floor is written: a floor is raised together with the watermark, to the same
order at most, so the watermark is never below it.

Why no fenced or lost publish writes: an intent that is raised, or a flush, touches a watched key.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import redis

from ...contract.order import ORDER_LENGTH, Order, decode_order, encode_order
from .byte_column import ByteColumn, Integers
from .online_store import read_replies, send
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


@dataclass(frozen=True, slots=True)
class Advance:
    """How far batches were written.

    Attributes:
        batches: How many were.
        look: What was seen before the one at which it ended.
        is_aborted: Whether that one was ahead, but something watched was touched meanwhile.
    """

    batches: int
    look: Look
    is_aborted: bool


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

    def write(
        self, partition: str, batches: Sequence[Batch], accept: Callable[[Look], object]
    ) -> Advance:
        """Write batches until one is behind, or was held up.

        Args:
            partition: Whose intent is looked at.
            batches: At least one.
            accept: Raises when what was seen forbids to go on.
        """
        look_again = self._look(partition)
        self._send(look_again)
        for place, batch in enumerate(batches):
            look = self._seen()
            accept(look)
            if look.is_behind(batch):
                self._forget()
                return Advance(place, look, is_aborted=False)
            is_last = place + 1 == len(batches)
            self._send(batch.transaction(self._watermark) + (b"" if is_last else look_again))
            if not self._succeeded(batch):
                if not is_last:
                    self._seen()
                    self._forget()
                return Advance(place, look, is_aborted=True)
        return Advance(len(batches), look, is_aborted=False)

    def _look(self, partition: str) -> bytes:
        return (
            command("WATCH", self._watermark, self._intents, self._epoch)
            + command("GET", self._watermark)
            + command("HGET", self._intents, partition)
            + command("HGET", self._epoch, "epoch")
        )

    def _seen(self) -> Look:
        _, watermark, intent, epoch = read_replies(self._connection, 4)
        return Look(
            None if watermark is None else decode_order(watermark),
            None if intent is None else int(intent),
            epoch,
        )

    def _succeeded(self, batch: Batch) -> bool:
        *_, outcome = read_replies(self._connection, batch.commands + 2)
        for each in outcome or ():
            if isinstance(each, Exception):
                raise each
        return outcome is not None

    def _forget(self) -> None:
        self._send(command("UNWATCH"))
        read_replies(self._connection, 1)

    def _send(self, commands: bytes) -> None:
        send(self._connection, [commands])


def batches_of(keys: ByteColumn, rows: ByteColumn) -> list[Batch]:
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
