from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from headrace.contract.errors import (
    InvalidArgumentError,
    OutOfMemoryError,
    StateLostError,
    UnknownNameError,
)
from headrace.contract.feature_group import DType, EntitySpec, FeatureGroupSpec, JoinKey, Online
from headrace.contract.rows import to_microseconds
from headrace.resources.online.row_encoding import encode_values
from headrace.tests.resources.online.publishing import Stage, day, group_of, key_of, stage_of

pytestmark = pytest.mark.server


@pytest.fixture
def snapshot(valkey_url: str, tmp_path: Path) -> Stage:
    return stage_of(group_of(Online.SNAPSHOT), valkey_url, tmp_path)


@pytest.fixture
def upsert(valkey_url: str, tmp_path: Path) -> Stage:
    return stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)


def test_a_partition_is_served_as_it_was_committed(snapshot: Stage) -> None:
    commit = snapshot.commit(1, [(1, 12.5), (2, 0.0)])

    publication = snapshot.publish(1)

    assert (publication.rows_written, publication.table_version) == (2, commit.version)
    assert snapshot.served() == {1: (day(2), 1, 12.5), 2: (day(2), 1, 0.0)}


def test_the_first_finished_publish_makes_the_version_live(snapshot: Stage) -> None:
    snapshot.commit(1, [(1, 12.5)])

    snapshot.publish(1)

    assert snapshot.registry.manifest().groups["household_spend"].live == 1


def test_an_older_partition_of_a_snapshot_group_is_marked_and_not_served(snapshot: Stage) -> None:
    snapshot.commit(1, [(1, 1.0), (7, 7.0)])
    snapshot.commit(2, [(1, 2.0)])
    snapshot.publish(2)

    publication = snapshot.publish(1)

    assert (publication.superseded, publication.rows_written) == (True, 0)
    assert snapshot.served() == {1: (day(3), 1, 2.0)}
    assert snapshot.state().markers == {key_of(1): 1, key_of(2): 1}


def test_entities_absent_from_the_newest_snapshot_vanish_at_once(snapshot: Stage) -> None:
    snapshot.commit(1, [(1, 1.0), (2, 2.0)])
    snapshot.publish(1)
    snapshot.commit(2, [])

    snapshot.publish(2)

    assert snapshot.served() == {}
    assert snapshot.state().floor == (to_microseconds(day(3)), 1)


def test_a_correction_of_the_newest_snapshot_replaces_it_whole(snapshot: Stage) -> None:
    snapshot.commit(1, [(1, 1.0), (2, 2.0)])
    snapshot.publish(1)
    snapshot.commit(1, [(2, 3.0)])

    snapshot.publish(1)

    assert snapshot.served() == {2: (day(2), 2, 3.0)}


def test_the_newest_event_of_an_entity_is_served_in_whatever_order_it_came(upsert: Stage) -> None:
    upsert.commit(1, [(1, 9, 1.0), (1, 18, 2.0)])
    upsert.commit(2, [(1, 9, 3.0)])
    upsert.publish(2)

    publication = upsert.publish(1)

    assert (publication.rows_written, publication.rows_lost) == (0, 2)
    assert upsert.served() == {1: (day(2, 9), 1, 3.0)}


def test_an_entity_that_a_correction_drops_falls_back_to_its_newest_remaining_row(
    upsert: Stage,
) -> None:
    upsert.commit(1, [(1, 9, 1.0)])
    upsert.commit(2, [(1, 9, 2.0), (2, 9, 2.0)])
    upsert.publish(1)
    upsert.publish(2)
    upsert.commit(2, [])

    publication = upsert.publish(2)

    assert publication.rows_retracted == 2
    assert upsert.served() == {1: (day(1, 9), 1, 1.0)}


def test_a_correction_may_move_an_event_back_in_time(upsert: Stage) -> None:
    upsert.commit(1, [(1, 18, 1.0)])
    upsert.publish(1)
    upsert.commit(1, [(1, 9, 2.0)])

    upsert.publish(1)

    assert upsert.served() == {1: (day(1, 9), 2, 2.0)}


def test_a_row_is_not_brought_back_from_a_commit_that_is_not_published(upsert: Stage) -> None:
    upsert.commit(1, [(1, 9, 1.0)], publish="deferred")
    upsert.commit(2, [(1, 9, 2.0)])
    upsert.publish(2)
    upsert.commit(2, [])

    upsert.publish(2)

    assert upsert.served() == {}


def test_a_row_comes_back_from_the_generation_that_is_published(upsert: Stage) -> None:
    upsert.commit(1, [(1, 9, 1.0)])
    upsert.publish(1)
    upsert.commit(2, [(1, 9, 2.0)])
    upsert.publish(2)
    upsert.commit(1, [(1, 9, 1.5)], publish="deferred")
    upsert.commit(2, [])

    upsert.publish(2)

    assert upsert.served() == {1: (day(1, 9), 1, 1.0)}


def test_what_an_interrupted_publish_left_behind_is_retracted_too(upsert: Stage) -> None:
    upsert.commit(1, [(1, 9, 1.0)])
    upsert.publish(1)
    upsert.commit(1, [(1, 9, 1.0), (2, 9, 2.0)])
    rows = upsert.rows()
    claim = rows.begin(key_of(1), 2)
    upsert.commit(1, [(1, 9, 1.0)])
    _, stray = _encoded(upsert, 1, [(2, 9, 2.0)], generation=2)
    rows.put(claim, [upsert.key(2)], stray)

    upsert.publish(1)

    assert list(upsert.served()) == [1]


def test_what_older_interrupted_publishes_left_behind_is_retracted_too(upsert: Stage) -> None:
    for rows in ([(1, 9, 1.0)], [(1, 9, 1.0), (2, 9, 2.0)], [(1, 9, 1.0), (3, 9, 3.0)]):
        generation = upsert.commit(1, rows).generation
        upsert.registry.register(upsert.group)
        claim = upsert.rows().begin(key_of(1), generation)
        upsert.rows().put(claim, *_encoded(upsert, 1, list(rows), generation))
    upsert.commit(1, [(1, 9, 1.0)])

    upsert.publish(1)

    assert upsert.served() == {1: (day(1, 9), 4, 1.0)}


def test_publishing_twice_writes_nothing_the_second_time(upsert: Stage) -> None:
    upsert.commit(1, [(1, 9, 1.0)])
    upsert.publish(1)

    again = upsert.publish(1)

    assert (again.already_published, again.rows_written) == (True, 0)


def test_a_repeated_publish_mends_what_was_damaged(upsert: Stage, valkey_url: str) -> None:
    upsert.commit(1, [(1, 9, 1.0)])
    upsert.publish(1)
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(upsert.key(1))

    upsert.publish(1, repeat=True)

    assert upsert.served() == {1: (day(1, 9), 1, 1.0)}


def test_unpublished_partitions_are_those_whose_newest_commit_is_not_online(upsert: Stage) -> None:
    for number in (1, 2, 3):
        upsert.commit(number, [(1, 9, 1.0)])
    upsert.commit(4, [(1, 9, 1.0)], publish="deferred")
    before = upsert.unpublished()
    upsert.publish(1)
    upsert.publish(2)
    upsert.commit(2, [(1, 9, 2.0)])

    after = upsert.unpublished()

    assert (before, after) == ([key_of(1), key_of(2), key_of(3)], [key_of(2), key_of(3)])


def test_a_deferred_commit_is_published_when_asked_for(snapshot: Stage) -> None:
    snapshot.commit(1, [(1, 1.0)])
    snapshot.commit(2, [(1, 2.0)], publish="deferred")

    snapshot.publish(1)
    served_before = snapshot.served()
    snapshot.publish(2)

    assert served_before == {1: (day(2), 1, 1.0)}
    assert snapshot.served() == {1: (day(3), 1, 2.0)}


def test_a_flush_while_rows_are_written_is_noticed(upsert: Stage, valkey_url: str) -> None:
    upsert.commit(1, [(1, 9, 1.0)])
    upsert.publish(1)
    upsert.commit(1, [(1, 9, 2.0)])
    rows = upsert.rows()
    claim, encoded = rows.begin(key_of(1), 2), _encoded(upsert, 1, [(1, 9, 2.0)], generation=2)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()

    with pytest.raises(StateLostError, match="publish the group again"):
        rows.put(claim, *encoded)


def test_everything_comes_back_after_a_flush(upsert: Stage, valkey_url: str) -> None:
    upsert.commit(1, [(1, 9, 1.0)])
    upsert.commit(2, [(2, 9, 2.0)])
    upsert.publish(1)
    upsert.publish(2)
    before = (upsert.served(), upsert.key(1))
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()

    for partition in upsert.unpublished():
        upsert.publish(int(partition[-2:]))

    assert (upsert.served(), upsert.key(1)) == before
    assert upsert.registry.manifest().groups["household_spend"].live == 1


def test_a_full_store_refuses_and_goes_on_serving(snapshot: Stage, valkey_url: str) -> None:
    snapshot.commit(1, [(1, 1.0)])
    snapshot.publish(1)
    snapshot.commit(2, [(1, 2.0)])
    with redis.Redis.from_url(valkey_url) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(OutOfMemoryError, match=key_of(2)):
                snapshot.publish(2)
        finally:
            client.config_set("maxmemory", 0)

    assert snapshot.served() == {1: (day(2), 1, 1.0)}


def test_a_changed_document_counts_online_once_it_is_recorded_offline_and_is_never_forgotten(
    snapshot: Stage,
) -> None:
    commit = snapshot.commit(1, [(1, 1.0)])
    snapshot.publish(1)
    declared = stage_with(snapshot, replace(snapshot.group, ttl=timedelta(days=9)))

    declared.publish(1)
    before = registered_ttl(declared)
    recorded = declared.table.commit(
        key_of(1),
        declared.frame(1, [(1, 1.0)]),
        identity=commit.identity,
        run_id="run",
        code_version="1",
        verdicts={},
    )
    left = declared.unpublished()
    declared.publish(1)

    assert recorded.no_op
    assert (before, registered_ttl(declared)) == (timedelta(days=3), timedelta(days=9))
    assert left == [key_of(1)]
    assert declared.unpublished() == []


def test_a_group_that_is_not_online_is_not_published(valkey_url: str, tmp_path: Path) -> None:
    stage = stage_of(group_of(None), valkey_url, tmp_path)

    with pytest.raises(InvalidArgumentError, match="online=None"):
        stage.publish(1)


def test_a_partition_that_was_never_committed_is_named(snapshot: Stage) -> None:
    snapshot.commit(1, [])

    with pytest.raises(UnknownNameError, match="'2017-01-02'"):
        snapshot.publish(2)


def stage_with(stage: Stage, group: FeatureGroupSpec) -> Stage:
    return Stage(group, stage.online, stage.offline)


def registered_ttl(stage: Stage) -> timedelta | None:
    published = stage.registry.published(stage.group.name, stage.group.version)
    assert published is not None
    return stage.registry.document(published.document).ttl


def _encoded(
    stage: Stage, number: int, rows: list[tuple[object, ...]], generation: int
) -> tuple[list[bytes], Sequence[bytes]]:
    commit = replace(stage.table.snapshot().commits[key_of(number)], generation=generation)
    frame = stage.frame(number, rows)
    keys = [stage.key(household) for household in frame["household_id"]]
    return keys, encode_values(stage.group, frame, commit)


def test_a_correction_takes_back_what_a_vacuum_by_other_means_made_unreadable(
    upsert: Stage,
) -> None:
    upsert.commit(1, [(1, 9, 1.0), (2, 9, 2.0)])
    upsert.publish(1)
    upsert.commit(1, [(1, 9, 3.0)])
    upsert.table.log.opened().vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False
    )

    publication = upsert.publish(1)

    assert publication.rows_retracted == 1
    assert upsert.served() == {1: (day(1, 9), 2, 3.0)}


def test_a_correction_takes_back_entities_that_are_known_by_texts(
    valkey_url: str, tmp_path: Path
) -> None:
    shop = EntitySpec("shop", (JoinKey("shop", DType.STRING),))
    stage = stage_of(replace(group_of(Online.UPSERT), entity=shop), valkey_url, tmp_path)
    stage.commit(1, [("north", 9, 1.0), ("", 9, 2.0), ("south", 9, 3.0)])
    stage.publish(1)
    stage.commit(1, [("north", 9, 1.5)])

    publication = stage.publish(1)

    assert publication.rows_retracted == 2
    assert stage.verify().is_clean
