"""How far a group is published online, and the right to publish a partition of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...contract.order import Order


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to publish one generation of a partition, until a greater generation claims it.

    Attributes:
        intent: The greatest generation whose publish had begun before; 0 for none.
        first: The first one that had begun since the marker; 0 for none.
        marker: The greatest generation whose publish had finished before; 0 for none.
        epoch: Which online state the claim is for; a flushed store has another.
        history: In which history of the store's writes it was made: a failover or a restart begins
            another, in which earlier writes may be missing.
    """

    partition: str
    generation: int
    intent: int
    first: int
    marker: int
    epoch: bytes
    history: bytes

    @property
    def left_behind(self) -> Sequence[int]:
        """The earlier generations of which rows may be stored: the finished one, those begun since.

        Before the first publish there are none, however often the partition was computed.
        """
        finished = [self.marker] if 0 < self.marker < self.generation else []
        return [*finished, *(range(self.first, self.generation) if self.first else ())]


@dataclass(frozen=True, slots=True)
class GroupState:
    """How far a group is published, read at one instant.

    Attributes:
        floor: The order below which a row is not live; `None` while the state is not complete:
            of snapshot groups nothing was finished, of upsert groups not everything that is due.
        watermark: An upper bound of the order of every row; `None` before the first.
        intents: The generation of each partition whose publish has begun.
        markers: The generation of each partition whose publish has finished.
        revision: Changes whenever an intent is raised.
        epoch: Drawn by the first publish into this state; `None` before it.
        first_intents: Of each partition, the first generation whose publish began after the one
            that was finished then.
        released: The generation of each deferred partition that was asked for, as is recorded
            offline.
        history: In which history of the store's writes it was read, as in a claim.
    """

    floor: Order | None
    watermark: Order | None
    intents: Mapping[str, int]
    markers: Mapping[str, int]
    revision: int
    epoch: bytes | None = None
    first_intents: Mapping[str, int] = field(default_factory=dict)
    released: Mapping[str, int] = field(default_factory=dict)
    history: str = field(default="", compare=False)

    @property
    def in_flight(self) -> Mapping[str, int]:
        """The intents that no marker has followed yet: publishes that go on, or broke off."""
        return {
            partition: generation
            for partition, generation in self.intents.items()
            if generation > self.markers.get(partition, 0)
        }

    def is_as_far_as(self, other: "GroupState") -> bool:
        """Whether no publish began or finished between two readings; rows may have been written."""
        return (self.floor, self.intents, self.markers, self.revision, self.epoch) == (
            *(other.floor, other.intents, other.markers),
            *(other.revision, other.epoch),
        )
