"""Reads from a real Cluster of what the real publisher has put there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.contract.clock import Clock
from headrace.contract.cluster_slots import slot_of
from headrace.contract.errors import StoreUnavailableError
from headrace.contract.feature_group import Online
from headrace.contract.order import Order, encode_order
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.rows import to_microseconds
from headrace.contract.status import Status
from headrace.contract.store_address import cluster_address
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.cluster_store import ClusterStore
from headrace.serving.client import FeatureClient
from headrace.serving.freshness import group_ages
from headrace.serving.handler import Handler
from headrace.serving.settings import Limits
from headrace.serving.store.engine import Engine
from headrace.tests.resources.online.publishing import Stage, day, group_of
from headrace.tests.serving.answering import request
from headrace.tests.serving.running import server_process
from headrace.tests.serving.store.driving import calls, engine, poll_until, read, result
from headrace.tests.valkey_cluster import Cluster, cluster, say
from headrace.tests.valkey_processes import Process, Processes, until

pytestmark = [pytest.mark.server, pytest.mark.slow]

HOUSEHOLDS = list(range(300))
FEATURES = ["household_spend:spend"]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    with Processes(tmp_path) as processes:
        yield cluster(processes)


@pytest.fixture
def stage(nodes: Cluster, tmp_path: Path) -> Iterator[Stage]:
    address = cluster_address(nodes.url)
    assert address is not None
    with ClusterStore(address, nodes.url, "test") as online:
        made = Stage(group_of(Online.SNAPSHOT), online, OfflineStore(str(tmp_path / "offline")))
        made.commit(1, [(household, 1.0) for household in HOUSEHOLDS])
        made.publish(1)
        for node in nodes.primaries:
            node.client.wait(1, 10_000)
        yield made


@pytest.fixture
def handler(stage: Stage) -> Handler:  # noqa: ARG001  # there is something to serve
    return Handler("test", Limits(), Clock(day(2)))


def look_up(reader: Engine, handler: Handler, households: list[int] = HOUSEHOLDS) -> dict[int, Any]:
    """Household to its value, `None` where there is none, or `ERROR`."""
    raw = result(reader, handler.get_online_features(request(FEATURES, household_id=households)))
    return values(raw, households)


def values(raw: bytes, households: list[int]) -> dict[int, Any]:
    (group,) = pb.GetOnlineFeaturesResponse.FromString(raw).groups
    return {
        household: "ERROR"
        if row.status == pb.ROW_STATUS_ERROR
        else (row.float64_values[0] if row.float64_values else None)
        for household, row in zip(households, group.rows, strict=True)
    }


def share(stage: Stage, place: int) -> set[int]:
    """The households whose rows a primary has."""
    cuts = [16384 * at // 3 for at in range(4)]
    return {
        household
        for household in HOUSEHOLDS
        if cuts[place] <= slot_of(stage.key(household)) < cuts[place + 1]
    }


def guard(nodes: Cluster, place: int) -> bytes:
    """The name of the floor on a primary."""
    (name,) = nodes.primaries[place].client.scan_iter("headrace:test{*:floor:*")
    return bytes(name)


def expected(**by_answer: set[int]) -> dict[int, Any]:
    answers = {"error": "ERROR", "absent": None, "present": 1.0}
    return {
        household: answers[name]
        for name, households in by_answer.items()
        for household in households
    }


def test_each_row_is_judged_by_the_floor_of_its_own_primary(
    nodes: Cluster, stage: Stage, handler: Handler
) -> None:
    """A publish raises one floor after the other, and a primary may lose its own."""
    ahead, lost, rest = (share(stage, place) for place in range(3))
    with engine(nodes.url) as reader:
        whole = look_up(reader, handler)
        floor = encode_order(Order(to_microseconds(day(3)), 1))
        nodes.primaries[0].client.set(guard(nodes, 0), floor)
        nodes.primaries[1].client.delete(guard(nodes, 1))
        apart = look_up(reader, handler)
        batches = reader.counters.batches
        nobody = look_up(reader, handler, [])

    assert whole == expected(present=set(HOUSEHOLDS))
    assert apart == expected(absent=ahead, error=lost, present=rest)
    assert (nobody, reader.counters.batches - batches) == ({}, 1)


def test_a_stalled_node_delays_nobody_elses_rows(
    nodes: Cluster, stage: Stage, handler: Handler
) -> None:
    stalled, others = share(stage, 1), share(stage, 0) | share(stage, 2)
    found: list[bytes | Exception] = []
    with engine(nodes.url, seconds=30) as reader:
        look_up(reader, handler)
        nodes.primaries[1].stop()
        reader.submit(
            handler.get_online_features(request(FEATURES, household_id=list(stalled))), found.append
        )
        served = look_up(reader, handler, list(others))
        waited = list(found)
        nodes.primaries[1].go_on()
        poll_until(reader, lambda: found)

    assert served == expected(present=others)
    assert waited == []
    assert isinstance(found[0], bytes)
    assert values(found[0], list(stalled)) == expected(present=stalled)


def test_rows_of_a_lost_primary_are_errors_until_its_replica_takes_over(
    nodes: Cluster, stage: Stage, handler: Handler
) -> None:
    lost, others = share(stage, 0), share(stage, 1) | share(stage, 2)
    with engine(nodes.url, seconds=0.5) as reader:
        look_up(reader, handler)
        nodes.replicas[0].stop()
        nodes.primaries[0].kill()
        partial = look_up(reader, handler)
        ages = result(reader, group_ages(handler))
        with pytest.raises(
            StoreUnavailableError, match=f"node 127.0.0.1:{nodes.primaries[0].port}"
        ):
            look_up(reader, handler, list(lost))
        unavailable, is_available = reader.unavailable, reader.is_available
        nodes.replicas[0].go_on()
        nodes.await_promotion(0)
        poll_until(reader, lambda: reader.unavailable == ())
        after = look_up(reader, handler)

    assert partial == expected(error=lost, present=others)
    assert ages == {"household_spend@1": 0.0}
    assert unavailable[0].endswith(f"(node 127.0.0.1:{nodes.primaries[0].port})")
    assert is_available
    assert after == expected(present=set(HOUSEHOLDS))


def test_a_primary_that_hands_over_is_followed_without_a_failed_row(
    nodes: Cluster, handler: Handler
) -> None:
    with engine(nodes.url) as reader:
        look_up(reader, handler)
        say(nodes.replicas[2], "FAILOVER")
        until(lambda: nodes.primaries[2].replication()["role"] == "slave")
        after = look_up(reader, handler)

    assert after == expected(present=set(HOUSEHOLDS))


def test_rows_that_are_being_moved_are_served_and_those_of_moved_slots_are_errors(
    nodes: Cluster, stage: Stage, handler: Handler
) -> None:
    """Meanwhile a node says whom to ask; afterwards no state speaks of the rows of either."""
    moved, rest = share(stage, 0) | share(stage, 1), share(stage, 2)
    household = min(share(stage, 0))
    slot = slot_of(stage.key(household))
    with engine(nodes.url) as reader:
        look_up(reader, handler)
        source, target = nodes.primaries[0], nodes.primaries[1]
        begin_to_move(slot, source, target)
        between = look_up(reader, handler)
        finish_to_move(nodes, slot, target)
        first = look_up(reader, handler)
        after = look_up(reader, handler)
        begin_to_move(slot, target, source)
        finish_to_move(nodes, slot, source)
        look_up(reader, handler)
        back = look_up(reader, handler)

    assert between == back == expected(present=set(HOUSEHOLDS))
    assert first[household] == "ERROR"
    assert after == expected(error=moved, present=rest)


def begin_to_move(slot: int, source: Process, target: Process) -> None:
    say(target, "SETSLOT", slot, "IMPORTING", say(source, "MYID"))
    say(source, "SETSLOT", slot, "MIGRATING", say(target, "MYID"))
    keys = say(source, "GETKEYSINSLOT", slot, 1000)
    assert keys
    source.client.migrate("127.0.0.1", target.port, keys, 0, 5000)


def finish_to_move(nodes: Cluster, slot: int, target: Process) -> None:
    for node in nodes.primaries:
        say(node, "SETSLOT", slot, "NODE", say(target, "MYID"))


def test_a_server_process_serves_what_was_published_to_the_cluster(
    nodes: Cluster, handler: Handler, tmp_path: Path
) -> None:
    variables = {
        "HEADRACE_HOME": str(tmp_path),
        "HEADRACE_REDIS": nodes.url,
        "HEADRACE_NAMESPACE": "test",
        "HEADRACE_CLOCK": day(2).isoformat(),
    }
    with server_process(**variables) as server, FeatureClient(server.address) as client:
        found = client.get_online_features(FEATURES, entities={"household_id": HOUSEHOLDS})

    assert handler.snapshot is None
    assert set(found.statuses[:, 0].tolist()) == {Status.PRESENT}


def test_replicas_are_read_and_what_they_lack_is_read_of_their_primaries(
    nodes: Cluster, stage: Stage, handler: Handler
) -> None:
    behind = share(stage, 1)
    with engine(nodes.url, from_replicas=True) as reader:
        look_up(reader, handler)
        before = [gets(node) for node in nodes.primaries]
        first = look_up(reader, handler)
        read_of_primaries = [
            gets(node) - was for node, was in zip(nodes.primaries, before, strict=True)
        ]
        nodes.cut_off(1)
        nodes.replicas[1].go_on()
        stage.commit(2, [(household, 2.0) for household in HOUSEHOLDS])
        stage.publish(2)
        after = look_up(reader, handler)

    assert first == expected(present=set(HOUSEHOLDS))
    assert read_of_primaries == [0, 0, 0]
    assert set(after.values()) == {2.0}
    assert behind


def gets(node: Process) -> int:
    return calls(node.client, "get")


def test_cached_answers_are_those_of_the_cluster(
    nodes: Cluster, stage: Stage, handler: Handler
) -> None:
    with engine(nodes.url, cache_bytes=1 << 20) as reader:
        look_up(reader, handler)
        sent = reader.counters.keys
        first = look_up(reader, handler)
        sent_again = reader.counters.keys - sent
        stage.commit(2, [(household, 2.0) for household in HOUSEHOLDS[:150]])
        stage.publish(2)
        for household in HOUSEHOLDS:  # comes back behind all that its node had to say
            result(reader, read(stage.key(household)[:4] + b"nothing"))
        second = look_up(reader, handler)

    assert first == expected(present=set(HOUSEHOLDS))
    assert sent_again == 0
    assert second == {**dict.fromkeys(HOUSEHOLDS), **dict.fromkeys(HOUSEHOLDS[:150], 2.0)}
