"""Reads from a real Cluster of what the real publisher has put there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.contract.clock import Clock
from headrace.contract.feature_group import Online
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.store_address import cluster_address
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.cluster_store import ClusterStore
from headrace.serving.handler import Handler
from headrace.serving.settings import Limits
from headrace.serving.store.engine import Engine
from headrace.tests.resources.online.publishing import Stage, day, group_of
from headrace.tests.serving.answering import request
from headrace.tests.serving.store.driving import engine, result
from headrace.tests.valkey_cluster import Cluster, cluster
from headrace.tests.valkey_processes import Processes

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
        else (row.doubles[0] if row.doubles else None)
        for household, row in zip(households, group.rows, strict=True)
    }


def by_node(nodes: Cluster, place: int) -> set[int]:
    """The households whose rows a primary has."""
    return set()


def test_smoke(nodes: Cluster, handler: Handler) -> None:
    with engine(nodes.url) as reader:
        found = look_up(reader, handler)
        print(found, reader.counters)
    assert set(found.values()) == {1.0}
