"""Random histories of a feature group: what was committed in which order, and what may be asked.

Everything that decides an answer is drawn near the edges where answers change: the ends of
partitions, event timestamps and these plus the TTL, each a microsecond off to either side.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count

from hypothesis import strategies as st

from headrace.contract.feature_group import Online
from headrace.tests.laws.worlds import (
    MICROSECOND,
    VALUES,
    Asked,
    Change,
    Fact,
    World,
    evolved,
)

NUMBERS = range(5)
"""Partitions are numbered from the start of a world's history."""


@st.composite
def changes(
    draw: st.DrawFn, world: World, serial: "count[int]", *, numbers: Sequence[int] = NUMBERS
) -> Change:
    """A commit: mostly of one partition, of any rows or none."""
    chosen = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=2, unique=True))
    return {number: draw(contents(world, number, serial)) for number in chosen}


@st.composite
def contents(draw: st.DrawFn, world: World, number: int, serial: "count[int]") -> tuple[Fact, ...]:
    """The rows of a partition; each has a number of its own, so that no two are mistaken."""
    stamps = [world.end_of(number)]
    if world.group.online is Online.UPSERT:
        stamps = [world.start_of(number) + offset for offset in _offsets(world)]
    identities = st.lists(
        st.tuples(st.sampled_from(world.entities), st.sampled_from(stamps)), max_size=6, unique=True
    )
    values = [st.none() | st.sampled_from(VALUES[each.dtype]) for each in world.group.features[1:]]
    return tuple(
        Fact(entity, at, (next(serial), *draw(st.tuples(*values))))
        for entity, at in draw(st.one_of(identities, identities, st.just([])))
    )


@st.composite
def histories(
    draw: st.DrawFn, world: World, *, min_size: int = 1, max_size: int = 6
) -> list[Change]:
    """Commits of partitions in any order, most of them more than once, some never."""
    return draw(st.lists(changes(world, count(1)), min_size=min_size, max_size=max_size))


@st.composite
def evolutions(draw: st.DrawFn, world: World) -> list[tuple[World, Change]]:
    """A history during which the group changes in place: each commit with its world."""
    serial, steps = count(1), list[tuple[World, Change]]()
    for _ in range(draw(st.integers(2, 6))):
        world = draw(evolved(world))
        steps.append((world, draw(changes(world, serial))))
    return steps


@st.composite
def spines(draw: st.DrawFn, world: World, *, until: datetime | None = None) -> list[Asked]:
    """Rows of a spine, in any order, some of them several times, some without key or time.

    Args:
        draw: Given by Hypothesis.
        world: Of whom and when is asked.
        until: No time is later.
    """
    entity = st.sampled_from([*world.entities, *world.entities, *world.strangers])
    time = st.none() | instants(world, until=until)
    asked = draw(st.lists(st.tuples(entity, time), max_size=10))
    again = draw(st.lists(st.sampled_from(asked), max_size=3)) if asked else []
    return [*asked, *again]


def everything(world: World, history: Sequence[Change]) -> list[Asked]:
    """Every entity at every time at which the answer about one may change, and next to it."""
    ttl = world.group.ttl or world.length
    born = {fact.event_timestamp for change in history for rows in change.values() for fact in rows}
    ends = {world.start_of(number) for number in range(len(NUMBERS) + 1)}
    times = [
        time + edge
        for time in sorted({*ends, *born, *(at + ttl for at in {*ends, *born})})
        for edge in (-MICROSECOND, timedelta(0), MICROSECOND)
    ]
    return [(entity, time) for time in times for entity in (*world.entities, world.strangers[0])]


def instants(world: World, *, until: datetime | None = None) -> st.SearchStrategy[datetime]:
    """Times at and around which an answer may change."""
    ttl = world.group.ttl or 2 * world.length
    times = st.builds(
        lambda number, offset, age, edge: world.start_of(number) + offset + age + edge,
        st.integers(-1, len(NUMBERS) + 2),
        st.sampled_from(_offsets(world)),
        st.sampled_from([timedelta(0), timedelta(0), ttl]),
        st.sampled_from([timedelta(0), timedelta(0), -MICROSECOND, MICROSECOND]),
    )
    return times if until is None else times.map(lambda time: min(time, until))


def _offsets(world: World) -> list[timedelta]:
    return [timedelta(0), MICROSECOND, world.length / 2, world.length - MICROSECOND]
