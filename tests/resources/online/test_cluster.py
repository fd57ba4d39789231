"""Publishing to a real Cluster of six nodes, and through the loss of a primary."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import redis

from headrace.contract.durability import Durability
from headrace.contract.errors import (
    FencedError,
    NotReplicatedError,
    StateLostError,
    StoreError,
    UnsupportedStoreError,
)
from headrace.contract.feature_group import Online
from headrace.contract.keys import TAGS
from headrace.contract.order import FIRST
from headrace.contract.store_address import cluster_address
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.cluster_store import ClusterStore
from headrace.resources.online.dropping import drop_version
from headrace.resources.online.garbage import Collection, collect_garbage
from headrace.resources.online.memory import group_memory, store_memory
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.rebuild import rebuild_group
from headrace.resources.online.versions import promote_versions
from headrace.tests.resources.online.publishing import Stage, group_of, key_of
from headrace.tests.valkey_cluster import Cluster, cluster, say
from headrace.tests.valkey_processes import Processes

pytestmark = [pytest.mark.server, pytest.mark.slow]

HOUSEHOLDS = 400_000  # so many that their publish is still under way when it is broken off


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Cluster for the tests that leave it whole."""
    with Processes(tmp_path_factory.mktemp("cluster")) as processes:
        yield cluster(processes)


@pytest.fixture
def whole(living: Cluster) -> Cluster:
    for node in living.primaries:
        node.client.flushall()
    return living


def store_of(nodes: Cluster, durability: Durability | None = None) -> ClusterStore:
    address = cluster_address(nodes.url)
    assert address is not None
    return ClusterStore(address, nodes.url, "test", durability)


@pytest.fixture(params=[Online.UPSERT, Online.SNAPSHOT])
def stage(whole: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with store_of(whole) as online:
        yield stage_in(online, request.param, tmp_path)


def stage_in(online: OnlineStore, kind: Online, folder: Path) -> Stage:
    return Stage(group_of(kind), online, OfflineStore(str(folder / "offline")))


def rows_of(stage: Stage, households: range, value: float) -> list[tuple[object, ...]]:
    if stage.group.online is Online.SNAPSHOT:
        return [(household, value) for household in households]
    return [(household, 9, value) for household in households]


def test_rows_are_spread_over_all_primaries_and_proven(stage: Stage, whole: Cluster) -> None:
    stage.commit(1, rows_of(stage, range(3000), 1.0))

    assert stage.publish(1).rows_written == 3000

    verified = stage.verify()
    assert (verified.is_clean, verified.equal) == (True, 3000)
    sizes = [node.client.dbsize() for node in whole.primaries]
    assert all(500 < int(size) < 1500 for size in sizes)
    assert stage.publish(1).already_published


def test_a_correction_takes_back_what_it_does_not_hold(stage: Stage) -> None:
    stage.commit(1, rows_of(stage, range(2000), 1.0))
    stage.publish(1)
    stage.commit(2, rows_of(stage, range(1500), 2.0))
    stage.publish(2)
    stage.commit(2, rows_of(stage, range(500, 1000), 3.0))
    stage.publish(2)
    stage.publish(1, repeat=True)

    verified = stage.verify()
    assert (verified.is_clean, verified.differences) == (True, ())
    newest = dict.fromkeys(range(500, 1000), 3.0)
    below = dict.fromkeys(range(2000), 1.0)
    expected = newest if stage.group.online is Online.SNAPSHOT else {**below, **newest}
    assert {key: value for key, (_, _, value) in stage.served().items()} == expected


def test_an_older_generation_is_refused_on_every_primary(stage: Stage) -> None:
    stage.commit(1, rows_of(stage, range(100), 1.0))
    stage.publish(1)
    rows = stage.rows()
    older = rows.begin(key_of(2), 1)
    rows.begin(key_of(2), 2)

    for household in range(100):
        with pytest.raises(FencedError):
            rows.put(older, [stage.key(household)], [b"\x09" + bytes(8) + b"\x15" + bytes(4)])


@pytest.mark.parametrize("place", range(3))
def test_a_flushed_primary_is_noticed_and_filled_again(
    stage: Stage, whole: Cluster, place: int
) -> None:
    stage.commit(1, rows_of(stage, range(2000), 1.0))
    stage.publish(1)

    whole.primaries[place].client.flushall()

    assert stage.unpublished() == [key_of(1)]
    stage.publish(1)
    assert stage.verify().equal == 2000


def test_an_empty_cluster_is_rebuilt(stage: Stage, whole: Cluster) -> None:
    for number in (1, 2, 3):
        stage.commit(number, rows_of(stage, range(number * 100), float(number)))
        stage.publish(number)
    for node in whole.primaries:
        node.client.flushall()

    rebuilt = rebuild_group(stage.group, stage.table, online=stage.online, registry=stage.registry)

    assert (rebuilt.complete, rebuilt.rows) == (True, 300)
    assert stage.verify().equal == 300
    memory = group_memory(stage.group, stage.table, stage.online, stage.registry)
    assert memory is not None
    assert memory.sampled_bytes_per_row is not None
    assert store_memory(stage.online).used_bytes > 0


def test_a_publish_waits_for_a_replica_of_every_primary(stage: Stage, whole: Cluster) -> None:
    stage.commit(1, rows_of(stage, range(1000), 1.0))
    with store_of(whole, Durability(1, {}, timedelta(seconds=0.2))) as online:
        whole.replicas[2].stop()
        try:
            with pytest.raises(NotReplicatedError, match="0 of 1 replicas"):
                replaced(stage, online).publish(1)
        finally:
            whole.replicas[2].go_on()
    for node in whole.primaries:
        assert not list(node.client.scan_iter(match="*:markers:*"))

    with store_of(whole, Durability(1)) as online:
        assert replaced(stage, online).publish(1).replicas == 1


def test_publishers_that_interleave_end_in_the_newest_commits(stage: Stage, whole: Cluster) -> None:
    for number in (1, 2, 3):
        stage.commit(number, rows_of(stage, range(number * 100, 1000), float(number)))

    def publish(seed: int) -> None:
        with store_of(whole) as online:
            mine, random = replaced(stage, online), Random(seed)  # noqa: S311 - a schedule
            for _ in range(6):
                with suppress(FencedError):
                    mine.publish(random.choice((1, 2, 3, 3)), repeat=True)

    with ThreadPoolExecutor(3) as threads:
        first = [threads.submit(publish, seed) for seed in range(3)]
        stage.commit(2, rows_of(stage, range(300, 800), 20.0))
        stage.commit(3, rows_of(stage, range(400, 700), 30.0))
        for each in [*first, *(threads.submit(publish, seed) for seed in range(3, 6))]:
            each.result()
    for number in (1, 2, 3):
        stage.publish(number)

    verified = stage.verify()
    assert (verified.is_clean, verified.differences) == (True, ())


def replaced(stage: Stage, online: OnlineStore) -> Stage:
    """The same group and table, seen by another process."""
    return Stage(stage.group, online, stage.offline)


def collect(stage: Stage, budget: int = 100_000) -> Collection:
    return collect_garbage(
        online=stage.online, offline=stage.offline, registry=stage.registry, budget=budget
    )


def test_a_dropped_version_leaves_every_primary(stage: Stage, whole: Cluster) -> None:
    stage.commit(1, rows_of(stage, range(2000), 1.0))
    stage.publish(1)
    stage.commit(1, rows_of(stage, range(1000), 2.0))
    stage.publish(1)
    second = Stage(replace(stage.group, version=2), stage.online, stage.offline)
    second.commit(1, rows_of(stage, range(500), 3.0))
    second.publish(1)
    promote_versions({stage.group.name: 2}, online=stage.online, registry=stage.registry)
    rows, commands = stage.rows(), scans(whole)

    done = drop_version(
        stage.group.name, 1, online=stage.online, offline=stage.offline, registry=stage.registry
    )

    assert done.rows == 2000 if stage.group.online is Online.SNAPSHOT else 1000
    assert scans(whole) == commands, "it walked over the store"
    assert not list(rows.stored_keys())
    left = [key for node in whole.primaries for key in node.client.scan_iter(match="headrace:*:1")]
    assert left == []
    assert second.verify().equal == 500


def scans(whole: Cluster) -> int:
    found = [node.client.info("commandstats").get("cmdstat_scan") for node in whole.primaries]
    return sum(int(each["calls"]) for each in found if each)


def test_garbage_is_collected_from_every_primary(stage: Stage, whole: Cluster) -> None:
    stage.commit(1, rows_of(stage, range(3000), 1.0))
    stage.publish(1)
    stage.commit(2, rows_of(stage, range(1000), 2.0))
    stage.publish(2)
    strangers = range(10_000, 10_100)
    model = stage.rows().rows([stage.key(1)])[0]
    assert model is not None
    for node in whole.primaries:
        for key in map(stage.key, strangers):
            with suppress(redis.ResponseError):  # of another primary
                node.client.set(key, model)
    assert stage.verify().extra == 100

    walks = [collect(stage, budget=1000)]
    while not walks[-1].finished:
        walks.append(collect(stage, budget=1000))

    is_snapshot = stage.group.online is Online.SNAPSHOT
    assert len(walks) > 2
    assert sum(walk.below_floor for walk in walks) == (2000 if is_snapshot else 0)
    assert sum(walk.orphans for walk in walks) == 100
    verified = stage.verify()
    assert (verified.is_clean, verified.extra) == (True, 0)
    assert collect(stage).removed == 0


def test_a_single_node_of_a_cluster_is_refused(whole: Cluster) -> None:
    with (
        OnlineStore(f"redis://127.0.0.1:{whole.primaries[0].port}", "test") as node,
        pytest.raises(UnsupportedStoreError, match="name the Cluster as a whole"),
    ):
        node.check()


def test_slots_that_were_moved_are_refused_until_they_are_moved_back(
    stage: Stage, whole: Cluster
) -> None:
    stage.commit(1, rows_of(stage, range(1000), 1.0))
    stage.publish(1)
    empty = next(slot for slot in range(16384) if slot not in _slots_of_tags(whole))

    _move(whole, empty, 1)
    try:
        with store_of(whole) as online, pytest.raises(UnsupportedStoreError, match="were moved"):
            online.check()
    finally:
        _move(whole, empty, 0)

    with store_of(whole) as online:
        online.check()


def _slots_of_tags(whole: Cluster) -> set[int]:
    return {say(whole.primaries[0], "KEYSLOT", tag) for tag in TAGS}


def _move(whole: Cluster, slot: int, place: int) -> None:
    name = say(whole.primaries[place], "MYID")
    for node in (whole.primaries[place], *whole.primaries, *whole.replicas):
        with suppress(redis.ResponseError):  # a replica learns it from its primary
            say(node, "SETSLOT", slot, "NODE", name)


def test_what_a_failover_lost_is_noticed_and_published_again(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        nodes = cluster(processes)
        with store_of(nodes) as online:
            stage = stage_in(online, Online.UPSERT, tmp_path)
            stage.commit(1, rows_of(stage, range(1000), 1.0))
            stage.publish(1)
            for shard in online.parts():
                shard.replicate(1)
            nodes.cut_off(1)
            stage.commit(2, rows_of(stage, range(1000), 2.0))
            stage.publish(2)  # confirmed by a primary alone
            rows = stage.rows()
            claim = rows.begin(key_of(2), 1)
            nodes.primaries[1].kill()
            nodes.replicas[1].go_on()
            nodes.await_promotion(1)

            assert stage.unpublished() == [key_of(2)]  # by a store that had not noticed yet
            assert not stage.verify().is_clean
            with pytest.raises(StateLostError):
                rows.finish(claim, watermark=FIRST, floor=None)
            stage.publish(2)
            assert stage.verify().is_clean
            assert stage.verify().equal == 1000


@pytest.mark.parametrize("kind", [Online.UPSERT, Online.SNAPSHOT])
def test_a_primary_that_is_lost_in_the_middle_of_a_publish_ends_in_a_proven_state(
    kind: Online, tmp_path: Path
) -> None:
    with Processes(tmp_path) as processes:
        nodes = cluster(processes)
        with store_of(nodes) as online:
            stage = stage_in(online, kind, tmp_path)
            stage.commit(1, rows_of(stage, range(HOUSEHOLDS), 1.0))
            stage.publish(1)
            for shard in online.parts():
                shard.replicate(1)
            stage.commit(1, rows_of(stage, range(HOUSEHOLDS), 2.0))
            with ThreadPoolExecutor(1) as thread:
                publishing = thread.submit(stage.publish, 1)
                _await_generation(stage, nodes, 2)
                nodes.cut_off(0)  # from here on its replica misses what it confirms
                _await_more_writes(nodes)
                nodes.primaries[0].kill()
                nodes.replicas[0].go_on()
                with pytest.raises(StoreError):
                    publishing.result()
            nodes.await_promotion(0)

            assert stage.unpublished() == [key_of(1)]
            assert stage.publish(1).generation == 2
            assert stage.verify().is_clean
            assert stage.verify().equal == HOUSEHOLDS
            assert {value for _, _, value in stage.served().values()} == {2.0}


def _await_generation(stage: Stage, nodes: Cluster, generation: int) -> None:
    client = nodes.primaries[0].client
    keys = [key for key in map(stage.key, range(100)) if _has(nodes, key)]

    def is_there() -> bool:
        raw = client.get(keys[0])
        return isinstance(raw, bytes) and int.from_bytes(raw[10:14], "little") == generation

    _spin(is_there)


def _has(nodes: Cluster, key: bytes) -> bool:
    return int(say(nodes.primaries[0], "KEYSLOT", key)) < 16384 // 3


def _await_more_writes(nodes: Cluster) -> None:
    def offset() -> int:
        return int(nodes.primaries[0].replication()["master_repl_offset"])

    before = offset()
    _spin(lambda: offset() > before + 50_000)


def _spin(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
