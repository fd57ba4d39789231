"""Laws of training data, against oracles that are written from the definitions and nothing else."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeAlias

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.assets.point_in_time import OfflineStore, training_frame
from headrace.contract.feature_group import DType, EntitySpec, FeatureGroupSpec, JoinKey, Online
from headrace.resources.offline.history_refresh import KEPT, refresh_history
from headrace.resources.offline.offline_table import Commit
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    DAY,
    HOUSEHOLD,
    LAST_BASKET,
    MICROSECOND,
    SPEND,
    START,
    commit,
    end,
    upsert_rows,
)

Row: TypeAlias = tuple[int, datetime, float]
Asked: TypeAlias = tuple[int | None, datetime | None]


@dataclass(frozen=True)
class Change:
    """The rows that one commit made the content of a partition."""

    number: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Refresh:
    """The history is brought up to date, and what it replaced longer ago is removed."""

    kept: timedelta


# ---- oracles ----


def partitions_after(changes: Sequence[Change]) -> dict[int, tuple[Row, ...]]:
    return {change.number: change.rows for change in changes}


def known_snapshot(changes: Sequence[Change], asked: Asked, ttl: timedelta | None) -> float | None:
    (household, at), partitions = asked, partitions_after(changes)
    if at is None:
        return None
    ended = [number for number in partitions if end(number) <= at]
    if not ended or (ttl is not None and at - end(max(ended)) > ttl):
        return None
    found = [amount for key, _, amount in partitions[max(ended)] if key == household]
    return found[0] if found else None


def known_upsert(changes: Sequence[Change], asked: Asked, ttl: timedelta | None) -> float | None:
    household, at = asked
    if at is None:
        return None
    newest: tuple[datetime, float] | None = None
    for number, rows in partitions_after(changes).items():
        for key, event_timestamp, amount in rows:
            if end(number) <= at and key == household:
                newest = max(newest or (event_timestamp, amount), (event_timestamp, amount))
    if newest is None or (ttl is not None and at - newest[0] > ttl):
        return None
    return newest[1]


# ---- what is drawn ----

# Two months; of each some days side by side.
NUMBERS = st.sampled_from([0, 1, 29, 30, 31, 32])
HOUSEHOLDS = st.integers(1, 3)
AMOUNTS = st.floats(allow_nan=False, width=16)
OFFSETS = st.sampled_from([timedelta(0), MICROSECOND, DAY / 2, DAY - MICROSECOND])
TTLS = st.sampled_from([None, MICROSECOND, DAY / 2, DAY, DAY + MICROSECOND, 5 * DAY, 40 * DAY])
EDGES = st.sampled_from([-DAY / 2, -MICROSECOND, timedelta(0), MICROSECOND, DAY / 2])
TIMES = st.builds(
    lambda number, days, edge: end(number) + days * DAY + edge, NUMBERS, st.integers(-1, 6), EDGES
)
SPINES = st.lists(st.tuples(st.none() | HOUSEHOLDS, st.none() | TIMES), max_size=8)
REFRESHES = st.builds(Refresh, st.sampled_from([timedelta(0), KEPT]))
BUCKETS = st.sampled_from([1, 3, 16])


@st.composite
def snapshot_changes(draw: st.DrawFn) -> Change:
    number = draw(NUMBERS)
    rows = draw(st.dictionaries(HOUSEHOLDS, AMOUNTS))
    return Change(number, tuple((key, end(number), amount) for key, amount in rows.items()))


@st.composite
def upsert_changes(draw: st.DrawFn) -> Change:
    number = draw(NUMBERS)
    rows = draw(st.dictionaries(st.tuples(HOUSEHOLDS, OFFSETS), AMOUNTS))
    start = end(number) - DAY
    return Change(
        number, tuple((key, start + offset, amount) for (key, offset), amount in rows.items())
    )


SEMANTICS = {
    Online.SNAPSHOT: (SPEND, snapshot_changes(), known_snapshot),
    Online.UPSERT: (LAST_BASKET, upsert_changes(), known_upsert),
}
WORDS = EntitySpec("word", (JoinKey("word", DType.STRING),))
WIDE = EntitySpec(
    "wide",
    (JoinKey("tag", DType.BYTES), JoinKey("on", DType.DATE), JoinKey("number", DType.INT32)),
)
DAYS = EntitySpec("day", (JoinKey("on", DType.DATE),))
SMALL = EntitySpec("small", (JoinKey("number", DType.INT32),))
# Of each entity three, for the households 1 to 3; the wide ones differ in one key each.
ENTITIES = {
    HOUSEHOLD: pl.DataFrame({"household_id": [-1, 2, 2**62]}),
    WORDS: pl.DataFrame({"word": ["", "ä", "a"]}),
    DAYS: pl.DataFrame({"on": [date(1969, 12, 31), date(1970, 1, 1), date(2018, 1, 1)]}),
    SMALL: pl.DataFrame({"number": pl.Series([-(2**31), 0, 2**31 - 1], dtype=pl.Int32)}),
    WIDE: pl.DataFrame(
        {
            "tag": [b"\x00", b"", b""],
            "on": [date(2018, 1, 1), date(2018, 1, 1), date(1969, 12, 31)],
            "number": pl.Series([7, 7, 7], dtype=pl.Int32),
        }
    ),
}


def keyed(rows: pl.DataFrame, entity: EntitySpec) -> pl.DataFrame:
    """The rows with this entity's join keys in the place of the household's number."""
    number = rows["household_id"] - 1
    keys = ENTITIES[entity].select(pl.all().gather(number.cast(pl.UInt32)))
    return pl.concat([keys, rows.drop("household_id")], how="horizontal")


@dataclass(frozen=True)
class World:
    """A store with one group, and what its author and its maintenance do."""

    store: OfflineStore
    group: FeatureGroupSpec
    buckets: int = 1

    def commit(self, steps: Sequence[Change | Refresh]) -> list[Commit]:
        table = self.store.table(feature_table(self.group, buckets=self.buckets))
        commits = []
        for step in steps:
            if isinstance(step, Refresh):
                refresh_history(table, kept=step.kept)
            else:
                rows = keyed(upsert_rows(*step.rows), self.group.entity)
                commits.append(commit(table, step.number, rows))
        return commits

    def amounts(
        self, asked: Sequence[Asked], known_at: datetime | None = None
    ) -> list[float | None]:
        return self.frame(asked, [self.group.name], known_at)[
            f"{self.group.name}__amount"
        ].to_list()

    def frame(
        self, asked: Sequence[Asked], groups: Sequence[str], known_at: datetime | None = None
    ) -> pl.DataFrame:
        schema = {"household_id": pl.Int64(), "event_timestamp": pl.Datetime("us", "UTC")}
        spine = keyed(pl.DataFrame(list(asked), schema=schema, orient="row"), self.group.entity)
        features = [f"{group}:amount" for group in groups]
        return training_frame(spine, features, self.store, known_at)[0]


laws = settings(max_examples=15)


@pytest.mark.parametrize("entity", list(ENTITIES), ids=lambda entity: entity.name)
@pytest.mark.parametrize("online", list(SEMANTICS))
@settings(max_examples=12)
@given(data=st.data())
def test_training_data_is_what_the_definitions_say_whatever_the_history_has_copied(
    online: Online, entity: EntitySpec, data: st.DataObject
) -> None:
    group, some_changes, known = SEMANTICS[online]
    group = replace(group, ttl=data.draw(TTLS), entity=entity)
    first = data.draw(some_changes)
    steps = [first, *data.draw(st.lists(some_changes | REFRESHES, max_size=7))]
    changes = [step for step in steps if isinstance(step, Change)]
    asked = data.draw(SPINES)
    last = data.draw(st.integers(0, len(changes) - 1))

    with tempfile.TemporaryDirectory() as root:
        world = World(OfflineStore(root), group, data.draw(BUCKETS))
        commits = world.commit(steps)
        now = world.amounts(asked)
        then = world.amounts(asked, known_at=commits[last].committed_at)

    assert now == [known(changes, row, group.ttl) for row in asked]
    assert then == [known(changes[: last + 1], row, group.ttl) for row in asked]


@settings(max_examples=25)
@given(data=st.data())
def test_groups_that_are_joined_together_answer_as_each_does_alone(data: st.DataObject) -> None:
    """Those that accept the same ask together; others have another TTL, other partitions, ..."""
    asked = data.draw(SPINES)
    ttls = data.draw(st.lists(TTLS, min_size=1, max_size=2))
    numbers = data.draw(st.integers(1, 4))

    with tempfile.TemporaryDirectory() as root:
        store, worlds, expected = OfflineStore(root), [], []
        for number in range(numbers):
            online = data.draw(st.sampled_from(list(SEMANTICS)))
            group, some_changes, known = SEMANTICS[online]
            ttl = data.draw(st.sampled_from(ttls))
            group = replace(group, name=f"group_{number}", ttl=ttl)
            changes = data.draw(st.lists(some_changes, min_size=1, max_size=3))
            world = World(store, group, data.draw(st.sampled_from([1, 3])))
            world.commit([*changes, *data.draw(st.lists(REFRESHES, max_size=1))])
            worlds.append(world)
            expected.append([known(changes, row, ttl) for row in asked])
        frame = worlds[0].frame(asked, [world.group.name for world in worlds])

    found = [frame[f"{world.group.name}__amount"].to_list() for world in worlds]
    assert found == expected


@pytest.mark.parametrize("online", list(SEMANTICS))
@laws
@given(data=st.data())
def test_what_ends_after_every_time_of_the_spine_changes_nothing(
    online: Online, data: st.DataObject
) -> None:
    group, some_changes, _ = SEMANTICS[online]
    changes = data.draw(st.lists(some_changes, min_size=2, max_size=6))
    asked = data.draw(SPINES)
    horizon = max((at for _, at in asked if at is not None), default=START)
    past = [change for change in changes if end(change.number) <= horizon]
    later = [change for change in changes if end(change.number) > horizon]

    with tempfile.TemporaryDirectory() as root:
        world = World(OfflineStore(root), group)
        world.commit([Change(0, ()), *past])
        before = world.amounts(asked)
        world.commit([*later, *data.draw(st.lists(REFRESHES, max_size=1))])
        after = world.amounts(asked)

    assert after == before


@pytest.mark.parametrize("online", list(SEMANTICS))
@laws
@given(data=st.data())
def test_a_permutation_of_the_spine_permutes_the_result(
    online: Online, data: st.DataObject
) -> None:
    group, some_changes, _ = SEMANTICS[online]
    changes = data.draw(st.lists(some_changes, min_size=1, max_size=4))
    asked = data.draw(SPINES)
    order = data.draw(st.permutations(range(len(asked))))

    with tempfile.TemporaryDirectory() as root:
        world = World(OfflineStore(root), group, data.draw(BUCKETS))
        world.commit(changes)
        straight = world.amounts(asked)
        permuted = world.amounts([asked[index] for index in order])

    assert permuted == [straight[index] for index in order]
