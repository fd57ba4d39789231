"""What is known, written as naively as possible from the definitions (architecture, section 4).

Loops over plain rows and nothing else: no frames, no joins, no code of the stores or the joins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headrace.contract.feature_group import Online
from headrace.contract.keys import KeyValue
from headrace.contract.rows import Value
from headrace.contract.status import Status
from headrace.tests.laws.worlds import Change, Fact, World


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one entity at one time.

    Attributes:
        statuses: One per feature of the group.
        values: One per feature; `None` where the status is not PRESENT.
        fact: The row that was judged, be it too old; `None` where there is none.
    """

    statuses: tuple[Status, ...]
    values: tuple[object, ...]
    fact: Fact | None


def contents_after(history: Sequence[Change]) -> dict[int, Sequence[Fact]]:
    """The rows of each committed partition: those of its last commit."""
    contents: dict[int, Sequence[Fact]] = {}
    for change in history:
        contents.update(change)
    return contents


def known(
    world: World,
    history: Sequence[Change],
    entity: tuple[KeyValue | None, ...],
    at: datetime | None,
) -> Known:
    """What the history says of an entity at a time; nothing where a key or the time is null."""
    features, fact = world.group.features, None
    if at is not None and None not in entity:
        fact = _fact(world, history, entity, at)
    if at is None or fact is None:
        return Known((Status.NOT_FOUND,) * len(features), (None,) * len(features), None)
    # A row that was committed before the group had a feature has no value of it.
    stored = [*fact.values, *[None] * (len(features) - len(fact.values))]
    if world.group.ttl is not None and at - fact.event_timestamp > world.group.ttl:
        return Known((Status.STALE,) * len(features), (None,) * len(features), fact)
    statuses = tuple(Status.NULL if value is None else Status.PRESENT for value in stored)
    return Known(statuses, tuple(comparable(value) for value in stored), fact)


def _fact(
    world: World, history: Sequence[Change], entity: tuple[KeyValue | None, ...], at: datetime
) -> Fact | None:
    contents = contents_after(history)
    ended = [number for number in contents if world.end_of(number) <= at]
    if world.group.online is Online.UPSERT:
        newest = None
        for number in ended:
            for fact in contents[number]:
                if fact.entity == entity and (
                    newest is None or fact.event_timestamp > newest.event_timestamp
                ):
                    newest = fact
        return newest
    for fact in contents[max(ended)] if ended else ():
        if fact.entity == entity:
            return fact
    return None


def comparable(value: Value) -> object:
    """A value that equals another exactly if they are the same: NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(value, list):
        return tuple(comparable(item) for item in value)
    return value.hex() if isinstance(value, float) else value
