"""Laws of training data, for each of the two semantics, against the oracle."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.assets.point_in_time import training_frame
from headrace.contract.feature_group import Online
from headrace.tests.laws.committing import (
    answers,
    commit,
    commit_history,
    empty_store,
    trained,
)
from headrace.tests.laws.histories import (
    NUMBERS,
    changes,
    contents,
    everything,
    evolutions,
    histories,
    instants,
    spines,
)
from headrace.tests.laws.oracle import known
from headrace.tests.laws.thoroughness import laws, thoroughness
from headrace.tests.laws.worlds import MICROSECOND, Asked, Change, World, worlds

SEMANTICS = pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT])


def mistakes(
    said: Sequence[tuple[object, ...]],
    world: World,
    history: Sequence[Change],
    asked: Sequence[Asked],
) -> list[object]:
    """The rows asked of which something else was said than is known: said, and known."""
    expected = [known(world, history, entity, at).values for entity, at in asked]
    together = zip(asked, said, expected, strict=True)
    return [(row, found, wanted) for row, found, wanted in together if found != wanted]


def until(horizon: datetime, asked: Sequence[Asked]) -> list[Asked]:
    """The rows asked of which the time is no later."""
    return [(entity, at) for entity, at in asked if at is not None and at <= horizon]


def common_spine(groups: Sequence[World], all_histories: Sequence[list[Change]]) -> pl.DataFrame:
    """Rows with the join keys of all groups, at the edges of all histories.

    A key that two groups share bears the values of the later one.
    """
    times = {
        at
        for world, history in zip(groups, all_histories, strict=True)
        for _, at in everything(world, history)
    }
    rows = [(at, place) for at in sorted(filter(None, times)) for place in range(5)]
    spine = pl.DataFrame({"place": [place for _, place in rows]})
    for number, world in enumerate(groups):
        entities = [*world.entities, world.strangers[-1]]
        asked = [(entities[(place + number) % len(entities)], at) for at, place in rows]
        spine = spine.with_columns(world.spine(asked).drop("label", "row"))
    return spine


def as_of(steps: Sequence[tuple[World, Change]], number: int) -> World:
    """The newest world with the TTL that was in force then."""
    ttl = steps[max(number, 0)][0].group.ttl
    return replace(steps[-1][0], group=replace(steps[-1][0].group, ttl=ttl))


def said_by(
    world: World, history: Sequence[Change], asked: list[Asked]
) -> list[tuple[object, ...]] | None:
    """What a store with this history says; `None` when it never heard of the group."""
    with empty_store() as store:
        commit_history(store, world, history)
        return trained(store, world, asked) if history else None


@thoroughness(quick=16, thorough=120)
@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT, None])
def test_training_data_is_what_the_definitions_say(online: Online | None, examples: int) -> None:
    @settings(laws, max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        world = data.draw(worlds(online))
        history = data.draw(histories(world))
        asked = [*data.draw(spines(world)), *everything(world, history)]

        with empty_store() as store:
            commit_history(store, world, history)
            frame, receipt = training_frame(world.spine(asked), [world.group.name], store)

        spine = world.spine(asked)
        features = [f"{world.group.name}__{feature.name}" for feature in world.group.features]
        assert frame.columns == [*spine.columns, *features]
        assert frame.select(spine.columns).equals(spine)
        assert frame.select(features).dtypes == [
            world.table.schema[feature.name] for feature in world.group.features
        ]
        assert mistakes(answers(frame, world), world, history, asked) == []
        assert receipt.rows == len(asked)

    holds()


@thoroughness(quick=12, thorough=60)
@SEMANTICS
def test_known_at_any_instant_is_what_the_commits_until_then_say(
    online: Online, examples: int
) -> None:
    @settings(laws, max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        world = data.draw(worlds(online))
        steps = data.draw(evolutions(world))
        number = data.draw(st.integers(0, len(steps) - 1))
        newest, history = steps[-1][0], [change for _, change in steps]
        asked = everything(as_of(steps, number), history)

        with empty_store() as store:
            moments = [
                commit(store, each, change, f"change {place}")[0].committed_at
                for place, (each, change) in enumerate(steps)
            ]
            at = trained(store, newest, asked, moments[number])
            before = trained(store, newest, asked, moments[number] - MICROSECOND)
            now = trained(store, newest, asked, moments[-1] + timedelta(days=1))

        assert moments == sorted(set(moments))
        assert mistakes(at, as_of(steps, number), history[: number + 1], asked) == []
        assert mistakes(before, as_of(steps, number - 1), history[:number], asked) == []
        assert mistakes(now, newest, history, asked) == []

    holds()


@thoroughness(quick=12, thorough=60)
@SEMANTICS
def test_no_answer_depends_on_what_became_known_after_its_time(
    online: Online, examples: int
) -> None:
    @settings(laws, max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        world = data.draw(worlds(online))
        horizon = data.draw(instants(world))
        history = data.draw(histories(world, min_size=2))
        asked = until(horizon, everything(world, history))
        future = {number for number in NUMBERS if world.end_of(number) > horizon}
        serial = count(1000)
        perturbed = [
            {
                number: data.draw(contents(world, number, serial)) if number in future else facts
                for number, facts in change.items()
            }
            for change in history
        ]
        past = [
            {number: facts for number, facts in change.items() if number not in future}
            for change in history
        ]

        said = [said_by(world, each, asked) for each in (history, perturbed, [*filter(None, past)])]

        assert said[1] == said[0]
        assert said[2] in (said[0], None)

    holds()


@thoroughness(quick=8, thorough=60)
@SEMANTICS
def test_later_rows_and_later_commits_change_no_answer(online: Online, examples: int) -> None:
    @settings(laws, max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        world = data.draw(worlds(online))
        horizon = data.draw(instants(world))
        history = data.draw(histories(world, max_size=3))
        asked = until(horizon, everything(world, history))
        later = [number for number in range(9) if world.end_of(number) > horizon]
        more = data.draw(
            st.lists(changes(world, count(1000), numbers=later or [9]), min_size=1, max_size=2)
        )
        corrections = data.draw(st.lists(changes(world, count(2000)), max_size=2))

        with empty_store() as store:
            moments = commit_history(store, world, history)
            before = trained(store, world, asked)
            commit_history(store, world, more, first=100)
            after = trained(store, world, asked)
            commit_history(store, world, corrections, first=200)
            as_it_was = trained(store, world, asked, moments[-1])

        assert after == before
        assert as_it_was == before

    holds()


@thoroughness(quick=12, thorough=40)
@SEMANTICS
def test_a_permutation_of_a_part_of_the_spine_permutes_that_part_of_the_result(
    online: Online, examples: int
) -> None:
    """Rows of one time alone: other partitions can be left unopened then than for all rows."""

    @settings(laws, max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        world = data.draw(worlds(online))
        history = data.draw(histories(world, max_size=4))
        spine = world.spine([*data.draw(spines(world)), *everything(world, history)])
        edges = spine["event_timestamp"].drop_nulls().unique().sort().to_list()
        times = data.draw(st.lists(st.sampled_from(edges), min_size=4, max_size=6))
        orders = [
            data.draw(st.permutations(spine.filter(event_timestamp=at)["row"].to_list()))
            for at in times
        ]

        with empty_store() as store:
            commit_history(store, world, history)
            straight, _ = training_frame(spine, [world.group.name], store)
            parts = [training_frame(spine[order], [world.group.name], store)[0] for order in orders]

        for part, order in zip(parts, orders, strict=True):
            assert part.equals(straight[order])

    holds()


@thoroughness(quick=10, thorough=40)
def test_several_groups_in_one_set_say_what_each_says_alone(examples: int) -> None:
    @settings(laws, max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        semantics = data.draw(st.lists(st.sampled_from(list(Online)), min_size=2, max_size=3))
        groups = [
            data.draw(worlds(online, name=f"group_{place}", before_1970=False))
            for place, online in enumerate(semantics)
        ]
        all_histories = [data.draw(histories(world, max_size=3)) for world in groups]
        names = [world.group.name for world in groups]
        references = data.draw(st.permutations(names))
        spine = common_spine(groups, all_histories)

        with empty_store() as store:
            for world, history in zip(groups, all_histories, strict=True):
                commit_history(store, world, history)
            together, _ = training_frame(spine, references, store)
            alone = [training_frame(spine, [name], store)[0].drop(spine.columns) for name in names]

        assert together.select(spine.columns).equals(spine)
        for frame in alone:
            assert together.select(frame.columns).equals(frame)
        assert together.width == spine.width + sum(frame.width for frame in alone)

    holds()
