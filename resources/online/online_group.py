"""One group version's rows in the online store, and the steps by which they are published.

A publish of partition P at generation g is: `begin` (raise the intent, which refuses older
generations of P from then on), `put` and `retract` any number of times, `finish` (raise the floor,
record the marker). All steps may be repeated, and interleaved with those of other publishers.
"""

import secrets
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

from ...contract.errors import (
    FencedError,
    HistoryLostError,
    NotReplicatedError,
    StateLostError,
)
from ...contract.order import FIRST, Order, encode_order
from .byte_column import ByteColumn
from .fast_path import Advance, Batch, FastPath, Look
from .group_state import Claim, GroupState
from .online_store import FUNCTIONS
from .stored_rows import StoredRows
from .wire import as_arguments, function_call

_BATCH_ROWS = 500
_BATCHES_IN_FLIGHT = 20
_PUT = f"{FUNCTIONS}_put"

Replacement: TypeAlias = tuple[bytes, bytes, bytes | None]
"""A key, the value that is expected there, and the value that replaces it (`None` removes it)."""


class Reply(IntEnum):
    """What the Functions answer first."""

    OK = 0
    FENCED = 1
    LOST = 2
    MOVED = 3
    BROKEN = 4


class OnlineGroup(StoredRows):
    """The online side of one group version: what is stored, and the steps of its publishers."""

    def begin(self, partition: str, generation: int) -> Claim:
        """Claim a partition for a generation.

        Raises:
            FencedError: A greater generation has claimed it.
        """
        with self._store.errors(self.reference, partition):
            status, intent, first, marker, epoch, history = self._store.call(
                "begin",
                [self._intents, self._epoch, self._markers],
                [partition, generation, secrets.token_bytes(8)],
            )
        claim = Claim(partition, generation, intent, first, marker, epoch=epoch, history=history)
        self._refused(claim, status)
        return claim

    def put_ahead(self, claim: Claim, batches: Sequence[Batch]) -> Advance:
        """Write batches, comparing no row, until one may not be ahead of everything stored.

        Args:
            claim: The publish that writes them.
            batches: At least one.

        Raises:
            FencedError: A greater generation of the partition is being published.
            StateLostError: The store was flushed since `begin`.
        """
        with (
            self._store.errors(self.reference, claim.partition),
            self._store.connection() as connection,
        ):
            path = FastPath(
                connection, watermark=self._watermark, intents=self._intents, epoch=self._epoch
            )
            return path.write(
                claim.partition, batches, lambda look: self._refused(claim, _status(claim, look))
            )

    def put(self, claim: Claim, keys: Sequence[bytes], rows: Sequence[bytes]) -> int:
        """Write rows where they are newer than what is stored and not below the floor.

        Args:
            claim: The publish that writes them.
            keys: Distinct.
            rows: One per key.

        Returns:
            How many were written; the others lost against newer ones.

        Raises:
            FencedError: A greater generation of the partition is being published.
            StateLostError: The store was flushed since `begin`.
        """
        fixed = [self._intents, self._epoch, self._watermark, self._floor]
        more_keys, more = as_arguments(ByteColumn.of(keys)), as_arguments(ByteColumn.of(rows))
        parts = [slice(at, at + _BATCH_ROWS) for at in range(0, len(more_keys), _BATCH_ROWS)]
        written = 0
        with self._store.errors(self.reference, claim.partition):
            for at in range(0, len(parts), _BATCHES_IN_FLIGHT):
                calls = [
                    function_call(
                        _PUT, fixed, self._arguments(claim), (more_keys[part], more[part])
                    )
                    for part in parts[at : at + _BATCHES_IN_FLIGHT]
                ]
                for status, count in self._store.call_packed(calls):
                    self._refused(claim, status)
                    written += count
        return written

    def retract(self, claim: Claim, revision: int, replacements: Sequence[Replacement]) -> int:
        """Replace obsolete rows, each only if it is still the expected one.

        Args:
            claim: The publish that made them obsolete.
            revision: Of the state for which the replacements were chosen.
            replacements: What to replace by what.

        Returns:
            How many were replaced. Fewer than given when a row had changed, or when an intent was
            raised in the meantime, so that the remaining ones have to be chosen again.

        Raises:
            FencedError: A greater generation of the partition is being published.
            StateLostError: The store was flushed since `begin`.
        """
        changed = 0
        for at in range(0, len(replacements), _BATCH_ROWS):
            batch = replacements[at : at + _BATCH_ROWS]
            keys = [self._intents, self._epoch, self._watermark, *(key for key, _, _ in batch)]
            values = [value or b"" for _, *values in batch for value in values]
            with self._store.errors(self.reference, claim.partition):
                status, count = self._store.call(
                    "retract", keys, [*self._arguments(claim), revision, *values]
                )
            if status == Reply.MOVED:
                break
            self._refused(claim, status)
            changed += count
        return changed

    def finish(self, claim: Claim, *, watermark: Order, floor: Order | None) -> int | None:
        """Say that the last row is written, and before that wait for replicas if asked to.

        Args:
            claim: The publish that ends.
            watermark: What the group's watermark is raised to.
            floor: What its floor is raised to; `None` leaves it.

        Returns:
            How many replicas have the rows; `None` when none was asked for.

        Raises:
            FencedError: A greater generation of the partition is being published.
            StateLostError: The store was flushed since `begin`: some of the rows are gone.
            HistoryLostError: It failed over or was restarted since: some of the rows may be gone.
            NotReplicatedError: Too few replicas have the rows.
        """
        replicas = self.replicated(claim)
        self.mark(claim, watermark=watermark, floor=floor)
        return replicas

    def mark(self, claim: Claim, *, watermark: Order, floor: Order | None) -> None:
        """What `finish` does once enough replicas have the rows."""
        with self._store.errors(self.reference, claim.partition):
            (status,) = self._store.call(
                "finish",
                [self._intents, self._epoch, self._watermark, self._floor, self._markers],
                [
                    *self._arguments(claim),
                    encode_order(watermark),
                    b"" if floor is None else encode_order(floor),
                    claim.history,
                ],
            )
        self._refused(claim, status)

    def complete(self, state: GroupState, floor: Order = FIRST) -> None:
        """Say that everything due is published, so that an absent row is an absent entity.

        Args:
            state: In which it was found to be so.
            floor: What the floor is raised to.

        Raises:
            StateLostError: The store was flushed, failed over or restarted since.
        """
        with self._store.errors(self.reference):
            status = self._store.call(
                "complete",
                [self._epoch, self._floor],
                [state.epoch or b"", encode_order(floor), state.history],
            )
        if status != Reply.OK:
            raise StateLostError(group=self.reference, missing="state")

    def replicated(self, claim: Claim) -> int | None:
        """Wait for replicas; how many have the rows, `None` when none is asked for."""
        durability = self._store.durability
        asked = durability.replicas_of(self.reference)
        if not asked:
            return None
        with self._store.errors(self.reference, claim.partition):
            replicas = self._store.replicate(asked)
        if replicas < asked:
            raise NotReplicatedError(
                group=self.reference,
                partition=claim.partition,
                replicas=replicas,
                asked=asked,
                seconds=durability.patience.total_seconds(),
            )
        return replicas

    @staticmethod
    def _arguments(claim: Claim) -> list[bytes | str | int]:
        return [claim.partition, claim.generation, claim.epoch]

    def _refused(self, claim: Claim, status: int) -> None:
        if status == Reply.FENCED:
            raise FencedError(
                group=self.reference, partition=claim.partition, generation=claim.generation
            )
        if status == Reply.LOST:
            raise StateLostError(group=self.reference, missing=f"intent of {claim.partition}")
        if status == Reply.BROKEN:
            raise HistoryLostError(group=self.reference, partition=claim.partition)


def _status(claim: Claim, look: Look) -> Reply:
    """What the Functions would answer (`refusal`)."""
    if look.epoch != claim.epoch or look.intent is None:
        return Reply.LOST
    return Reply.FENCED if look.intent > claim.generation else Reply.OK
