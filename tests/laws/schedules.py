"""Random schedules of commits and publishes, with publishes that break off or are overtaken."""

from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias

from hypothesis import strategies as st

from headrace.tests.laws.histories import changes, contents
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
        number: Which one.
        repeat: Also where its marker stands.
        interrupted_at: Before the publisher speaks to the store for this time, `meanwhile` happens.
        meanwhile: What others do then; `None`: the publisher dies.
    """

    number: int
    repeat: bool = False
    interrupted_at: int | None = None
    meanwhile: "tuple[Step, ...] | None" = ()


Step: TypeAlias = Commit | Publish


@st.composite
def schedules(draw: st.DrawFn, world: World, *, max_size: int = 12) -> list[Step]:
    """Steps of which the first is a commit; the group changes in place at some of them."""
    serial, steps, committed = count(1), list[Step](), set[int]()
    for _ in range(draw(st.integers(4, max_size))):
        kind = draw(st.sampled_from(["commit", "commit", "publish", "interrupt", "correct", "die"]))
        if kind == "commit" or not committed:
            world = draw(evolved(world))
            commit = draw(_commits(world, serial, repeated=bool(committed)))
            committed |= set() if commit.repeated else set(commit.change)
            steps.append(commit)
            continue
        published = draw(_publishes(committed))
        if kind == "publish":
            steps.append(published)
            continue
        meanwhile: tuple[Step, ...] | None = None
        if kind == "correct":
            rows = draw(contents(world, published.number, serial))
            correction = Commit(world, {published.number: rows}, deferred=False)
            meanwhile = (correction, Publish(published.number))
        elif kind == "interrupt":
            others = _commits(world, serial, repeated=True) | _publishes(committed)
            meanwhile = tuple(draw(st.lists(others, min_size=1, max_size=3)))
        at = draw(st.integers(0, 12))
        steps.append(replace(published, interrupted_at=at, meanwhile=meanwhile))
    return steps


def _publishes(committed: set[int]) -> st.SearchStrategy[Publish]:
    return st.builds(Publish, st.sampled_from(sorted(committed)), st.booleans())


def _commits(world: World, serial: "count[int]", *, repeated: bool) -> st.SearchStrategy[Commit]:
    return st.builds(
        Commit,
        st.just(world),
        changes(world, serial, numbers=range(3)),
        deferred=st.booleans(),
        repeated=st.sampled_from([False, False, True]) if repeated else st.just(value=False),
    )
