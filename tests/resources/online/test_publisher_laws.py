"""Whatever happens on the way, the online store ends as the projection of the newest commits."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.contract.errors import FencedError
from headrace.contract.feature_group import Online
from headrace.contract.rows import to_microseconds
from headrace.resources.online.projection import newest_per_entity, scan_commit
from headrace.resources.online.row_encoding import encode_keys, encode_values
from headrace.tests.resources.online.publishing import (
    Rows,
    Stage,
    as_rows,
    day,
    expected,
    group_of,
    key_of,
    stage_of,
)

pytestmark = pytest.mark.server

DAYS = (1, 2, 3)
Step: TypeAlias = tuple[str, int, Rows]

_rows = st.dictionaries(
    st.integers(1, 4), st.tuples(st.integers(0, 23), st.floats(0, 100)), max_size=4
)
_steps = st.lists(
    st.tuples(
        st.sampled_from(["commit", "commit", "publish", "break off"]), st.sampled_from(DAYS), _rows
    ),
    max_size=10,
)


def break_off(stage: Stage, number: int, households: Rows) -> None:
    """Publish like a process that dies: an intent, and the rows of some households."""
    published = stage.registry.register(stage.group)
    snapshot = stage.table.snapshot()
    commit = snapshot.commits[key_of(number)]
    frame = newest_per_entity(stage.group, scan_commit(snapshot, commit)).collect()
    frame = frame.filter(frame["household_id"].is_in(list(households)))
    claim = stage.rows().begin(key_of(number), commit.generation)
    keys = encode_keys(stage.group, published.group_id, frame)
    stage.rows().put(claim, keys, encode_values(stage.group, frame, commit))


def perform(stage: Stage, steps: Sequence[Step]) -> dict[int, tuple[int, Rows]]:
    """Do the steps; what is committed at the end: day to (generation, rows)."""
    committed: dict[int, tuple[int, Rows]] = {}
    for step, number, rows in steps:
        if step == "commit":
            generation = committed.get(number, (0, {}))[0] + 1
            stage.commit(number, as_rows(stage, rows))
            committed[number] = (generation, rows)
        elif number in committed and step == "publish":
            stage.publish(number)
        elif number in committed and _is_newest(stage, committed, number):
            break_off(stage, number, rows)
    return committed


def _is_newest(stage: Stage, committed: dict[int, tuple[int, Rows]], number: int) -> bool:
    # Older partitions of a snapshot group are never projected, so their publish cannot break off.
    return stage.group.online is Online.UPSERT or number == max(committed)


@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_steps, order=st.permutations(DAYS))
def test_any_history_ends_in_the_state_of_publishing_in_order(
    online: Online, valkey_url: str, steps: list[Step], order: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder, redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        stage = stage_of(group_of(online), valkey_url, Path(folder))
        committed = perform(stage, steps)

        with ThreadPoolExecutor(2) as publishers:
            due = [number for number in order if number in committed]
            list(publishers.map(stage.publish, due))

        if committed:
            assert stage.served() == expected(stage, committed)
            assert stage.verify().is_clean
            assert stage.unpublished() == []


@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT])
def test_publishers_and_corrections_may_run_at_once(
    online: Online, valkey_url: str, tmp_path: Path
) -> None:
    stage = stage_of(group_of(online), valkey_url, tmp_path)
    others = [Stage(stage.group, stage.online, stage.offline) for _ in range(3)]
    rounds, committed = 12, {number: (0, Rows()) for number in DAYS}
    for number in DAYS:
        stage.commit(number, [])

    def keep_publishing(publisher: Stage) -> None:
        for turn in range(rounds):
            try:
                publisher.publish(DAYS[turn % len(DAYS)])
            except FencedError:
                continue

    with ThreadPoolExecutor(3) as publishers:
        running = [publishers.submit(keep_publishing, other) for other in others]
        for turn in range(rounds):
            number = DAYS[turn % len(DAYS)]
            rows = {(turn * 7 + place) % 5: (turn, float(turn)) for place in range(turn % 4)}
            commit = stage.commit(number, as_rows(stage, rows))
            committed[number] = (commit.generation, rows)
        for publisher in running:
            publisher.result()
    for number in DAYS:
        stage.publish(number)

    assert stage.served() == expected(stage, committed)
    assert stage.verify().is_clean


def test_two_publishers_of_one_partition_do_no_harm(valkey_url: str, tmp_path: Path) -> None:
    stage = stage_of(group_of(Online.SNAPSHOT), valkey_url, tmp_path)
    stage.commit(1, [(household, float(household)) for household in range(5000)])

    with ThreadPoolExecutor(2) as publishers:
        list(publishers.map(lambda _: stage.publish(1, repeat=True), range(2)))

    assert stage.verify().equal == 5000
    assert stage.state().floor == (to_microseconds(day(2)), 1)
