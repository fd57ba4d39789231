"""A group's rows on one primary of a Cluster: those of all its slots in one call.

A command may name keys of one slot alone, and so may the keys that a call of a Function declares.
The Functions used here are registered with `allow-cross-slot-keys`, and get the rows' keys as
arguments: a batch then needs one call, and not one for each of its hundreds of slots.
"""

from collections.abc import Sequence

from .byte_column import ByteColumn
from .group_state import Claim
from .online_group import OnlineGroup, Replacement, Reply
from .online_store import FUNCTIONS, read_replies, send
from .wire import as_pairs, function_call_with_pairs, gets

_BATCH_ROWS = 500
_BATCHES_IN_FLIGHT = 20
_READ_ROWS = 5_000
_PUT = f"{FUNCTIONS}_put_apart"


class ShardGroup(OnlineGroup):
    """One primary's share of a group version."""

    def put(self, claim: Claim, keys: Sequence[bytes], rows: Sequence[bytes]) -> int:
        """Write rows of this primary; as of one server."""
        pairs = as_pairs(ByteColumn.of(keys), ByteColumn.of(rows))
        fixed = [self._intents, self._epoch, self._watermark, self._floor]
        calls = [
            function_call_with_pairs(
                _PUT, fixed, self._arguments(claim), pairs[at : at + _BATCH_ROWS]
            )
            for at in range(0, len(pairs), _BATCH_ROWS)
        ]
        written = 0
        with self._store.errors(self.reference, claim.partition):
            for at in range(0, len(calls), _BATCHES_IN_FLIGHT):
                for status, count in self._store.call_packed(calls[at : at + _BATCHES_IN_FLIGHT]):
                    self._refused(claim, status)
                    written += count
        return written

    def retract(self, claim: Claim, revision: int, replacements: Sequence[Replacement]) -> int:
        """Replace obsolete rows of this primary; as of one server."""
        fixed, changed = [self._intents, self._epoch, self._watermark], 0
        for at in range(0, len(replacements), _BATCH_ROWS):
            words = [word or b"" for each in replacements[at : at + _BATCH_ROWS] for word in each]
            with self._store.errors(self.reference, claim.partition):
                status, count = self._store.call(
                    "retract_apart", fixed, [*self._arguments(claim), revision, *words]
                )
            if status == Reply.MOVED:
                break
            self._refused(claim, status)
            changed += count
        return changed

    def rows(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is stored under each key of this primary, live or not."""
        column, found = ByteColumn.of(keys), list[bytes | None]()
        for at in range(0, len(column), _READ_ROWS):
            part = column[at : at + _READ_ROWS]
            with self._store.errors(), self._store.connection() as connection:
                send(connection, [gets(part)])
                found += read_replies(connection, len(part))
        return found
