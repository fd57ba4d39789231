from dataclasses import replace
from pathlib import Path

import pytest
import redis

from headrace.contract.feature_group import Online
from headrace.resources.offline.maintenance.maintained import Kept
from headrace.resources.online.needed_generations import kept_for_publishing, needed_generations
from headrace.tests.resources.online.publishing import Stage, group_of, key_of, stage_of

pytestmark = pytest.mark.server

DAY = key_of(1)


@pytest.fixture
def upsert(valkey_url: str, tmp_path: Path) -> Stage:
    return stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)


@pytest.fixture
def snapshot(valkey_url: str, tmp_path: Path) -> Stage:
    return stage_of(group_of(Online.SNAPSHOT), valkey_url, tmp_path)


def needed(stage: Stage) -> list[int]:
    """The generations of the day that have to stay."""
    found = list(needed_generations(stage.group, stage.table.snapshot().commits, stage.state()))
    assert {partition for partition, _ in found} <= {DAY}
    return [generation for _, generation in found]


def commit(stage: Stage, times: int) -> None:
    for turn in range(times):
        row = (1, float(turn)) if stage.group.online is Online.SNAPSHOT else (1, 9, float(turn))
        stage.commit(1, [row])


def test_what_was_never_published_needs_no_earlier_generation(upsert: Stage) -> None:
    upsert.registry.register(upsert.group)
    commit(upsert, 3)

    assert needed(upsert) == []


def test_of_an_upsert_group_what_was_finished_or_begun_since_is_needed(upsert: Stage) -> None:
    commit(upsert, 2)
    upsert.publish(1)
    commit(upsert, 3)

    assert needed(upsert) == [2]

    upsert.rows().begin(DAY, 4)

    assert needed(upsert) == [2, 4]

    upsert.publish(1)

    assert needed(upsert) == []


def test_a_publish_that_broke_off_needs_what_may_be_online_from_it_on(
    upsert: Stage,
) -> None:
    upsert.registry.register(upsert.group)
    commit(upsert, 2)
    upsert.rows().begin(DAY, 2)
    commit(upsert, 2)

    assert needed(upsert) == [2, 3]


def test_of_a_snapshot_group_the_generation_that_is_served_is_needed(snapshot: Stage) -> None:
    commit(snapshot, 2)
    snapshot.publish(1)
    assert needed(snapshot) == []

    commit(snapshot, 2)

    assert needed(snapshot) == [2]


def test_every_namespace_that_publishes_the_group_counts(upsert: Stage) -> None:
    other = Stage(upsert.group, upsert.online.of_namespace("other"), upsert.offline)
    commit(upsert, 1)
    upsert.publish(1)
    commit(upsert, 1)
    other.publish(1)
    commit(upsert, 1)
    upsert.publish(1)

    kept = kept_for_publishing(upsert.group, upsert.offline, upsert.online)

    assert kept == Kept({2: f"published in 'other': {DAY}"})


def test_what_nobody_ever_published_keeps_nothing_even_out_of_reach(upsert: Stage) -> None:
    commit(upsert, 2)

    assert kept_for_publishing(upsert.group, upsert.offline, None) == Kept()


def test_a_group_that_is_not_served_keeps_nothing(upsert: Stage) -> None:
    commit(upsert, 1)
    upsert.publish(1)
    unserved = replace(upsert.group, online=None)

    assert kept_for_publishing(unserved, upsert.offline, None) == Kept()


def test_out_of_reach_of_the_online_store_nothing_can_be_said(upsert: Stage) -> None:
    commit(upsert, 1)
    upsert.publish(1)

    kept = kept_for_publishing(upsert.group, upsert.offline, None)

    assert kept.unknown is not None
    assert kept.unknown.startswith("how far namespace 'test' is published: ")


def test_of_a_store_that_was_flushed_nothing_can_be_said(upsert: Stage, valkey_url: str) -> None:
    """Until the group is published again: its former rows may be elsewhere."""
    commit(upsert, 1)
    upsert.publish(1)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()

    kept = kept_for_publishing(upsert.group, upsert.offline, upsert.online)

    assert kept.unknown is not None
    assert "does not know household_spend@1 in 'test'" in kept.unknown
    upsert.publish(1)
    assert kept_for_publishing(upsert.group, upsert.offline, upsert.online) == Kept()
