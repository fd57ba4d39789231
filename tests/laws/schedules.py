"""Random schedules of commits and publishes, with publishes that break off or are overtaken."""

from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from hypothesis import strategies as st

from headrace.tests.laws.histories import changes
from headrace.tests.laws.worlds import Change, World, evolved


@dataclass(frozen=True, slots=True)
class Commit:
    """Partitions are committed, by a world that may have another TTL or more features than before.

    Attributes:
        deferred: Nobody is to publish them without being asked.
        repeated: The last commit is repeated by this world, which writes no rows, instead.
    """

    world: World
    change: Change
    deferred: bool
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """A committed partition is published.

    Attributes:
        pick: Which one, modulo how many are committed.
        repeat: Also where its marker stands.
        interrupted_at: Before the publisher speaks to the store for this time, `meanwhile` happens.
        meanwhile: What others do then; `None`: the publisher dies.
    """

    pick: int
    repeat: bool = False
    interrupted_at: int | None = None
    meanwhile: "tuple[Step, ...] | None" = ()


Step: TypeAlias = Commit | Publish


@st.composite
def schedules(draw: st.DrawFn, world: World, *, max_size: int = 8) -> list[Step]:
    """Steps of which the first is a commit; the group changes in place at some of them."""
    serial, steps = count(1), list[Step]()
    for _ in range(draw(st.integers(1, max_size))):
        kind = draw(st.sampled_from(["commit", "commit", "publish", "interrupt", "die"]))
        if kind == "commit" or not steps:
            world = draw(evolved(world))
            steps.append(draw(_commits(world, serial)))
        elif kind == "publish":
            steps.append(draw(_PUBLISHES))
        else:
            others = st.lists(_commits(world, serial) | _PUBLISHES, min_size=1, max_size=3)
            meanwhile = tuple(draw(others)) if kind == "interrupt" else None
            at = draw(st.integers(0, 12))
            steps.append(Publish(draw(_PICKS), draw(st.booleans()), at, meanwhile))
    return steps


_PICKS = st.integers(0, 4)
_PUBLISHES = st.builds(Publish, _PICKS, st.booleans())


def _commits(world: World, serial: "count[int]") -> st.SearchStrategy[Commit]:
    repeated = st.sampled_from([False, False, True])
    return st.builds(
        Commit, st.just(world), changes(world, serial), deferred=st.booleans(), repeated=repeated
    )
