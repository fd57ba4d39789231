"""Writing the rows of a publish: at once where they lie ahead, else compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from .byte_column import ByteColumn
from .fast_path import batches_of
from .group_state import Claim
from .online_group import OnlineGroup


@dataclass(frozen=True, slots=True)
class Writes:
    """What became of rows that were to be written.

    Attributes:
        rows: How many were written; the others lost against newer ones, or lay below the floor.
        batches_fast: Batches that were written without comparing their rows.
        batches_aborted: Batches that were meant to, but for a write of another publish.
        batches_guarded: Batches whose rows were compared; the aborted ones among them.
    """

    rows: int = 0
    batches_fast: int = 0
    batches_aborted: int = 0
    batches_guarded: int = 0

    def __add__(self, other: "Writes") -> "Writes":
        """Both together."""
        return Writes(
            self.rows + other.rows,
            self.batches_fast + other.batches_fast,
            self.batches_aborted + other.batches_aborted,
            self.batches_guarded + other.batches_guarded,
        )


def write_rows(
    group: OnlineGroup, claim: Claim, keys: Sequence[bytes], rows: Sequence[bytes]
) -> Writes:
    """Write rows where they are newer than what is stored and not below the floor.

    A batch that another publish held up is compared, rather than tried again: however much is
    written meanwhile, each batch is sent twice at most. Rows in ascending order give each batch the
    best chance: it lies ahead of the one before it.

    Args:
        group: Where they are written.
        claim: The publish that writes them.
        keys: Distinct.
        rows: One per key.

    Raises:
        FencedError: A greater generation of the partition is being published.
        StateLostError: The store was flushed since `begin`.
    """
    keys, rows = ByteColumn.of(keys), ByteColumn.of(rows)
    waiting, done = batches_of(keys, rows), Writes()
    while waiting:
        advance = group.put_ahead(claim, waiting)
        written, waiting = waiting[: advance.batches], waiting[advance.batches :]
        behind = list(takewhile(advance.look.is_behind, waiting))
        if advance.is_aborted:
            behind = behind or waiting[:1]
        done += Writes(
            rows=sum(len(batch.pairs) for batch in written),
            batches_fast=len(written),
            batches_aborted=int(advance.is_aborted),
            batches_guarded=len(behind),
        )
        if behind:
            part = slice(behind[0].start, behind[-1].stop)
            done += Writes(rows=group.put(claim, keys[part], rows[part]))
            waiting = waiting[len(behind) :]
    return done
