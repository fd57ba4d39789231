"""Versions that are dropped, and the garbage that is left of anything."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from headrace.contract.errors import (
    UnknownNameError,
    VersionDroppedError,
    VersionRefusedError,
)
from headrace.contract.feature_group import Online
from headrace.contract.store_keys import floor_key
from headrace.resources.offline.maintenance.vacuum import vacuum
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.dropping import Drop, drop_version
from headrace.resources.online.garbage import Collection, collect_garbage
from headrace.resources.online.group_ids import allocated_ids
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.registry import Registry
from headrace.tests.resources.online.publishing import Stage, group_of, stage_of

pytestmark = pytest.mark.server


def version_of(number: int, url: str, folder: Path, online: Online = Online.SNAPSHOT) -> Stage:
    return stage_of(group_of(online, version=number), url, folder)


@pytest.fixture(params=Online)
def first(request: pytest.FixtureRequest, valkey_url: str, tmp_path: Path) -> Stage:
    """Version 1, of which version 2 is live: three generations, and entities that vanished."""
    online = request.param
    hour: tuple[object, ...] = () if online is Online.SNAPSHOT else (9,)
    second = version_of(2, valkey_url, tmp_path, online)
    second.commit(1, [(1, *hour, 2.0)])
    second.publish(1)
    first = version_of(1, valkey_url, tmp_path, online)
    first.commit(1, [(number, *hour, 1.0) for number in range(1200)])
    first.publish(1)
    first.commit(1, [(number, *hour, 1.5) for number in range(600)])
    first.publish(1)
    first.commit(2, [(number, *hour, 1.0) for number in range(3)])
    first.publish(2)
    return first


def drop(stage: Stage, version: int = 1) -> Drop:
    return drop_version(
        "household_spend",
        version,
        online=stage.online,
        offline=stage.offline,
        registry=stage.registry,
    )


def collect(stage: Stage, budget: int = 100_000) -> Collection:
    return collect_garbage(
        online=stage.online, offline=stage.offline, registry=stage.registry, budget=budget
    )


def keys_of(stage: Stage, group_id: int) -> list[bytes]:
    with redis.Redis.from_url(f"unix://{stage.online.address.removeprefix('unix://')}") as client:
        found = list(client.scan_iter(count=10_000))
    prefix = group_id.to_bytes(2, "big")
    return [
        key
        for key in found
        if key[4:6] == prefix
        or (key.startswith(b"headrace:test:") and key.endswith(f":{group_id}".encode()))
    ]


def test_nothing_of_a_dropped_version_is_left_and_the_others_stay(first: Stage) -> None:
    group_id = allocated_ids(first.online)["test/household_spend@1"]
    stored = len(list(first.rows().stored_keys()))

    dropped = drop(first)

    assert dropped == Drop("household_spend@1", stored, 0)
    assert keys_of(first, group_id) == []
    assert list(first.registry.manifest().groups["household_spend"].versions) == [2]
    assert first.table.snapshot().commits.keys() == {"2017-01-01", "2017-01-02"}


def test_dropping_reads_no_key_that_it_does_not_remove(first: Stage) -> None:
    with redis.Redis.from_url(f"unix://{first.online.address.removeprefix('unix://')}") as client:
        client.config_resetstat()
        drop(first)
        calls = client.info("commandstats")

    assert "cmdstat_scan" not in calls
    assert "cmdstat_keys" not in calls


def test_dropping_again_frees_nothing_more(first: Stage) -> None:
    drop(first)

    assert drop(first) == Drop("household_spend@1", 0, 0)


def test_a_drop_that_broke_off_is_finished_by_the_next(first: Stage, valkey_url: str) -> None:
    """What it leaves when it dies among the rows: a flip, no floor, and intents."""
    group_id, keys = allocated_ids(first.online)["test/household_spend@1"], first.rows()
    first.registry.drop("household_spend", 1)
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(floor_key("test", group_id), *list(keys.stored_keys())[:300])

    dropped = drop(first)

    assert dropped.rows > 0
    assert keys_of(first, group_id) == []


def test_a_version_is_dropped_after_maintenance_removed_its_former_generations(
    first: Stage,
) -> None:
    """As it does once they are published; who was in them alone is left to the collection."""
    vacuum(first.table, keep=(), min_age=timedelta(0))
    group_id, stored = allocated_ids(first.online)["test/household_spend@1"], first.rows()
    left = len(list(stored.stored_keys())) - 600

    dropped = drop(first)

    assert dropped == Drop("household_spend@1", 600, 1)
    assert collect(first).dropped == left
    assert keys_of(first, group_id) == []


def test_a_dropped_version_is_neither_published_nor_missed_again(first: Stage) -> None:
    drop(first)
    first.commit(3, [])

    assert first.unpublished() == []
    with pytest.raises(VersionDroppedError):
        first.publish(3)
    assert list(first.registry.manifest().groups["household_spend"].versions) == [2]


def test_a_publish_that_goes_on_while_its_version_is_dropped_is_refused(first: Stage) -> None:
    claim = first.rows().begin("2017-01-02", 1)
    rows, key = first.rows(), first.key(1)
    drop(first)

    with pytest.raises(Exception, match="lost its intent"):
        rows.put(claim, [key], [b"\x09" + bytes(8) + b"\x15" + bytes(4)])


def test_an_id_is_not_given_out_twice(first: Stage, valkey_url: str, tmp_path: Path) -> None:
    group_id = allocated_ids(first.online)["test/household_spend@1"]
    drop(first)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()

    other = stage_of(group_of(Online.SNAPSHOT, name="other"), valkey_url, tmp_path)
    published = other.registry.register(other.group)

    assert published.group_id not in {group_id, 1}


def test_the_live_version_and_unknown_ones_are_refused(first: Stage) -> None:
    with pytest.raises(VersionRefusedError, match="it is live"):
        drop(first, 2)
    with pytest.raises(UnknownNameError):
        drop(first, 7)


def test_rows_below_the_floor_are_collected_and_the_live_ones_stay(
    valkey_url: str, tmp_path: Path
) -> None:
    stage = version_of(1, valkey_url, tmp_path)
    stage.commit(1, [(number, 1.0) for number in range(50)])
    stage.publish(1)
    stage.commit(2, [(number, 2.0) for number in range(20)])
    stage.publish(2)

    found = collect(stage)

    assert (found.below_floor, found.removed, found.finished) == (30, 30, True)
    assert stage.verify().equal == 20
    assert len(list(stage.rows().stored_keys())) == 20


def test_what_a_publish_writes_of_a_version_after_its_drop_is_collected(first: Stage) -> None:
    group_id = allocated_ids(first.online)["test/household_spend@1"]
    rows, key = first.rows(), first.key(1)
    drop(first)
    claim = rows.begin("2017-01-02", 1)
    rows.put(claim, [key], [b"\x09" + bytes(8) + b"\x15" + bytes(4)])

    found = collect(first)

    assert (found.dropped, keys_of(first, group_id)) == (1, [])


@pytest.mark.parametrize("online", Online)
def test_rows_of_entities_that_nothing_published_mentions_are_collected(
    online: Online, valkey_url: str, tmp_path: Path
) -> None:
    stage = version_of(1, valkey_url, tmp_path, online)
    hour: tuple[object, ...] = () if online is Online.SNAPSHOT else (9,)
    stage.commit(1, [(1, *hour, 1.0), (2, *hour, 2.0)])
    stage.publish(1)
    row = stage.rows().rows([stage.key(1)])[0]
    assert row is not None
    with redis.Redis.from_url(valkey_url) as client:
        client.set(stage.key(7), row)
        assert stage.verify().extra == 1

        found = collect(stage)

    assert (found.orphans, found.removed) == (1, 1)
    assert stage.verify().is_clean


@pytest.mark.parametrize("online", Online)
def test_nothing_is_collected_of_a_group_whose_table_lacks_what_is_published(
    online: Online, valkey_url: str, tmp_path: Path
) -> None:
    """A folder that is not mounted, or a copy of the store that is older: nobody is an orphan."""
    stage = version_of(1, valkey_url, tmp_path, online)
    hour: tuple[object, ...] = () if online is Online.SNAPSHOT else (9,)
    stage.commit(1, [(1, *hour, 1.0)])
    stage.publish(1)

    elsewhere = OfflineStore(str(tmp_path / "elsewhere"))
    registry = Registry(stage.online, elsewhere)
    found = collect_garbage(online=stage.online, offline=elsewhere, registry=registry, budget=1000)

    assert (found.removed, found.unjudged, found.finished) == (0, 1, True)
    assert stage.verify().equal == 1


def test_an_orphan_is_left_alone_while_a_publish_goes_on(valkey_url: str, tmp_path: Path) -> None:
    stage = version_of(1, valkey_url, tmp_path, Online.UPSERT)
    stage.commit(1, [(1, 9, 1.0)])
    stage.publish(1)
    stage.commit(2, [(2, 9, 2.0)])
    claim = stage.rows().begin("2017-01-02", 1)
    row = stage.rows().rows([stage.key(1)])[0]
    assert row is not None
    stage.rows().put(claim, [stage.key(2)], [row])

    assert collect(stage).removed == 0


def test_a_walk_goes_on_where_its_budget_stopped_it(valkey_url: str, tmp_path: Path) -> None:
    stage = version_of(1, valkey_url, tmp_path)
    stage.commit(1, [(number, 1.0) for number in range(5000)])
    stage.publish(1)
    stage.commit(2, [(1, 2.0)])
    stage.publish(2)

    walks = [collect(stage, budget=1000)]
    while not walks[-1].finished:
        walks.append(collect(stage, budget=1000))

    assert len(walks) > 2
    assert sum(walk.below_floor for walk in walks) == 4999
    assert max(walk.looked_at for walk in walks) < 4000


def test_other_namespaces_and_strangers_are_left_alone(valkey_url: str, tmp_path: Path) -> None:
    stage = version_of(1, valkey_url, tmp_path)
    stage.commit(1, [(1, 1.0)])
    stage.publish(1)
    other = replace(stage, online=OnlineStore(valkey_url, "elsewhere"))
    other.publish(1)
    with redis.Redis.from_url(valkey_url) as client:
        client.set(b"{AA}\xff\x00entity", b"of an installation that lost its ids")
        client.set(b"{AA}", b"no row at all")
        before = client.dbsize()

        found = collect(stage)

        assert (found.removed, found.unknown) == (0, 1)
        assert client.dbsize() == before
    assert other.verify().is_clean
