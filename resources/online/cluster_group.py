"""The online side of a group in a Cluster: the same protocol on each primary, for its own rows.

What holds of one server (`online_group`, `functions.lua`) so holds of each primary and its rows. A
publish claims the partition on all primaries before it writes a row, and marks it on each after the
last row on all. It counts as finished when it is on every primary: so a primary that lost writes in
a failover, and its marker with them, takes the whole partition back to what is not published.

Rows are always compared: the fast path needs transactions over slots, which a Cluster refuses.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from ...contract.order import FIRST, Order
from .byte_column import ByteColumn, Integers
from .cluster_store import ClusterStore
from .fast_path import Advance, Batch, Look
from .group_state import Claim, GroupState
from .online_group import OnlineGroup, Replacement
from .shard_group import ShardGroup

_REVISION_BITS = 40
_EVERYTHING = Look(Order(2**63 - 1, 2**32 - 1), None, None)


@dataclass(frozen=True, slots=True)
class ClusterClaim(Claim):
    """The right to publish a generation of a partition on every primary.

    Attributes:
        parts: The claim on each primary. Of the intents the greatest is the intent, of the markers
            the least the marker: what may have been left behind anywhere is looked for everywhere.
    """

    parts: tuple[Claim, ...]

    @property
    def left_behind(self) -> Sequence[int]:
        """The earlier generations of which rows may be stored on any primary."""
        return sorted({number for part in self.parts for number in part.left_behind})


@dataclass(frozen=True, slots=True)
class ClusterState(GroupState):
    """How far a group is published on all primaries together: as far as on each of them.

    Attributes:
        parts: The state of each primary, each read at an instant of its own.
    """

    parts: tuple[GroupState, ...] = ()


class ClusterGroup(OnlineGroup):
    """The online side of one group version in a Cluster."""

    def __init__(self, store: ClusterStore, group_id: int, reference: str) -> None:
        """Name the group, as of one server."""
        super().__init__(store, group_id, reference)
        self._cluster, self._group_id = store, group_id

    def begin(self, partition: str, generation: int) -> Claim:
        """Claim a partition for a generation on every primary; as of one server."""

        def claims() -> tuple[Claim, ...]:
            return tuple(part.begin(partition, generation) for part in self._parts())

        parts = self._cluster.repeated(claims)
        return ClusterClaim(
            partition,
            generation,
            max(part.intent for part in parts),
            min((part.first for part in parts if part.first), default=0),
            min(part.marker for part in parts),
            epoch=b"".join(part.epoch for part in parts),
            history=b"".join(part.history for part in parts),
            parts=parts,
        )

    def put_ahead(self, claim: Claim, batches: Sequence[Batch]) -> Advance:  # noqa: ARG002
        """Nothing: every row is to be compared."""
        return Advance(0, _EVERYTHING, is_aborted=False)

    def put(self, claim: Claim, keys: Sequence[bytes], rows: Sequence[bytes]) -> int:
        """Write rows, on all primaries at once and each on its own; as of one server."""
        columns = ByteColumn.of(keys), ByteColumn.of(rows)
        order, ends = self._cluster.places(columns[0])
        keys, rows = columns[0].take(order), columns[1].take(order)
        parts = zip(self._parts(), _parts(claim), _shares(ends), strict=True)
        with ThreadPoolExecutor(len(ends)) as threads:
            writing = [
                threads.submit(part.put, its, keys[share], rows[share])
                for part, its, share in parts
                if share.start < share.stop
            ]
        return sum(each.result() for each in writing)

    def retract(self, claim: Claim, revision: int, replacements: Sequence[Replacement]) -> int:
        """Replace obsolete rows, each on its primary; as of one server."""
        order, ends = self._cluster.places(ByteColumn.of([key for key, *_ in replacements]))
        sorted_ = [replacements[place] for place in order.tolist()]
        revisions = _revisions(revision, len(ends))
        parts = zip(self._parts(), _parts(claim), revisions, _shares(ends), strict=True)
        return sum(
            part.retract(its, its_revision, sorted_[share])
            for part, its, its_revision, share in parts
            if share.start < share.stop
        )

    def replicated(self, claim: Claim) -> int | None:
        """Wait for replicas of each primary; how many have the rows of the one with the fewest."""
        found = [part.replicated(its) for part, its in self._claimed(claim)]
        return min((number for number in found if number is not None), default=None)

    def mark(self, claim: Claim, *, watermark: Order, floor: Order | None) -> None:
        """Say that the last row is written on every primary, on one after the other."""
        for part, its in self._claimed(claim):
            part.mark(its, watermark=watermark, floor=floor)

    def complete(self, state: GroupState, floor: Order = FIRST) -> None:
        """Say on every primary that everything due is published."""
        for part, its in zip(self._parts(), _state_parts(state), strict=True):
            part.complete(its, floor)

    def state(self) -> GroupState:
        """How far the group is published on every primary."""
        parts = self._cluster.repeated(lambda: tuple(part.state() for part in self._parts()))
        floors = [part.floor for part in parts if part.floor is not None]
        epochs = [part.epoch for part in parts if part.epoch is not None]
        return ClusterState(
            floor=min(floors) if len(floors) == len(parts) else None,
            watermark=max((part.watermark for part in parts if part.watermark), default=None),
            intents=_greatest([part.intents for part in parts]),
            markers=_least([part.markers for part in parts]),
            revision=_revision([part.revision for part in parts]),
            epoch=b"".join(epochs) if len(epochs) == len(parts) else None,
            history="".join(part.history for part in parts),
            parts=parts,
        )

    def rows(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is stored under each key, live or not."""
        column = ByteColumn.of(keys)
        return self._cluster.repeated(lambda: self._rows(column))

    def unequal(self, keys: ByteColumn, rows: ByteColumn) -> dict[int, bytes | None]:
        """What is stored where it is not the expected row; as of one server."""
        found = enumerate(zip(rows, self.rows(keys), strict=True))
        return {place: stored for place, (row, stored) in found if row != stored}

    def random_keys(self, draws: int) -> list[bytes]:
        """Keys of the group among those that are drawn at random, as many from each primary."""
        parts = self._parts()
        share = -(-draws // len(parts))
        return [key for part in parts for key in part.random_keys(share)]

    def stored_keys(self) -> Iterator[bytes]:
        """The key of every stored row, live or not, each once; walks over all primaries."""
        for part in self._parts():
            yield from part.stored_keys()

    def _rows(self, column: ByteColumn) -> list[bytes | None]:
        order, ends = self._cluster.places(column)
        found: list[bytes | None] = [None] * len(column)
        for part, share in zip(self._parts(), _shares(ends), strict=True):
            places = order[share]
            for place, row in zip(places.tolist(), part.rows(column.take(places)), strict=True):
                found[place] = row
        return found

    def _parts(self) -> list[ShardGroup]:
        shards = self._cluster.topology().shards
        return [ShardGroup(shard, self._group_id, self.reference) for shard in shards]

    def _claimed(self, claim: Claim) -> Iterator[tuple[ShardGroup, Claim]]:
        return zip(self._parts(), _parts(claim), strict=True)


def _parts(claim: Claim) -> tuple[Claim, ...]:
    assert isinstance(claim, ClusterClaim)  # noqa: S101 - `begin` made it
    return claim.parts


def _state_parts(state: GroupState) -> tuple[GroupState, ...]:
    assert isinstance(state, ClusterState)  # noqa: S101 - `state` made it
    return state.parts


def _shares(ends: Integers) -> Iterator[slice]:
    return (slice(start, stop) for start, stop in pairwise([0, *ends.tolist()]))


def _greatest(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = sorted({name for part in parts for name in part})
    return {name: max(part.get(name, 0) for part in parts) for name in names}


def _least(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    everywhere = sorted(set(parts[0]).intersection(*parts[1:]))
    return {name: min(part[name] for part in parts) for name in everywhere}


def _revision(parts: Sequence[int]) -> int:
    """One number that changes with each of them, and from which each can be read again."""
    return sum(part << (_REVISION_BITS * place) for place, part in enumerate(parts))


def _revisions(whole: int, number: int) -> list[int]:
    mask = (1 << _REVISION_BITS) - 1
    return [(whole >> (_REVISION_BITS * place)) & mask for place in range(number)]
