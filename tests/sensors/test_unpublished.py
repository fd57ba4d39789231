"""The reconciler."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from headrace.assets.publishing import publish_partitions
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.online.dropping import drop_version
from headrace.resources.online.local_valkey import LocalValkey
from headrace.sensors.unpublished import unpublished_sensor
from headrace.tests.assets.factory.graph import ONLINE_WEEK, WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS
from headrace.tests.valkey import environment_of

pytestmark = pytest.mark.server

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def graph(tmp_path: Path, valkey_url: str) -> Iterator[Graph]:
    with graph_of(tmp_path, valkey_url) as made:
        yield made


def look(graph: Graph, cursor: str | None = None) -> SensorExecutionData:
    """One tick of the sensor."""
    declared = graph.world.declarations
    sensor = unpublished_sensor(list(declared.groups.values()), list(declared.services.values()))
    context = dg.build_sensor_context(
        cursor=cursor,
        instance=graph.instance,
        definitions=graph.definitions,
        resources={"deployment": graph.world.deployment},
    )
    return sensor.evaluate_tick(context)


def complete(data: SensorExecutionData) -> dict[str, bool]:
    """What a tick recorded of the groups' completeness."""
    events = [each for each in data.asset_events if isinstance(each, dg.AssetCheckEvaluation)]
    assert {each.check_name for each in events} <= {"online_is_complete"}
    return {each.asset_key.to_user_string(): each.passed for each in events}


def tick(graph: Graph) -> list[tuple[str, str, str]] | str | None:
    """What one tick of the sensor requests: asset, first and last partition; or why nothing."""
    data = look(graph)
    if not data.run_requests:
        return data.skip_message
    requests = []
    for request in data.run_requests:
        (key,) = request.asset_selection or ()
        first, last = (request.tags[name] for name in RANGE)
        requests.append((key.to_user_string(), first, last))
    return requests


def test_what_is_committed_and_not_published_is_requested_range_by_range(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK, last=DAYS[2])
    graph.run(WEEK, first=DAYS[5], last=DAYS[6])

    assert tick(graph) == [
        (ONLINE_WEEK, DAYS[0], DAYS[2]),
        (ONLINE_WEEK, DAYS[5], DAYS[6]),
    ]


def test_a_request_of_the_sensor_publishes(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[1])
    graph.run(WEEK, last=DAYS[1])

    requested = tick(graph)
    assert isinstance(requested, list)
    ((asset, first, last),) = requested
    graph.run(asset, first=first, last=last)

    assert tick(graph) == "Everything that is committed is published."
    assert graph.records(ONLINE_WEEK) == [(day, "1", False) for day in DAYS[:2]]


def test_a_group_that_a_run_is_about_to_publish_is_left_to_that_run(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, last=DAYS[0])
    job = graph.definitions.resolve_implicit_global_asset_job_def()
    graph.instance.create_run_for_job(
        job_def=job,
        asset_selection=frozenset({dg.AssetKey(ONLINE_WEEK.split("/"))}),
        status=dg.DagsterRunStatus.STARTED,
    )

    assert tick(graph) == "Everything that is committed is published."


def test_a_service_that_a_killed_publisher_left_unknown_is_registered(graph: Graph) -> None:
    """A publisher registers services last; nothing is left to publish when it dies before."""
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, last=DAYS[0])
    deployment, groups = graph.world.deployment, graph.world.declarations.groups
    with deployment.publishing() as publishing:
        for group in groups.values():
            list(publish_partitions(group, DAYS[:1], deployment, publishing))
        before = set(publishing.online.manifest().services)

        tick(graph)

        assert (before, set(publishing.online.manifest().services)) == (set(), {"page_to_show"})


def test_an_embedded_store_is_not_started_to_look_into_it(tmp_path: Path) -> None:
    with graph_of(tmp_path, redis_url="") as graph:
        graph.read_inputs(last=DAYS[0])
        graph.run(WEEK, last=DAYS[0])

        said = tick(graph)

        assert isinstance(said, str)
        assert said.startswith("The embedded online store is not in use")
        assert not graph.world.environment.valkey_socket.exists()


def test_a_store_of_ones_own_that_is_gone_turns_the_check_red_once(tmp_path: Path) -> None:
    store = LocalValkey(environment_of(tmp_path / "store"))
    with store as valkey, graph_of(tmp_path / "home", valkey.url) as graph:
        graph.read_inputs(last=DAYS[0])
        graph.run(WEEK, ONLINE_WEEK, last=DAYS[0])
        there = look(graph)
        os.kill(valkey.pid, signal.SIGKILL)

        gone = look(graph, there.cursor)
        still = look(graph, gone.cursor)

    assert complete(there) == {ONLINE_WEEK: True}
    assert complete(gone) == {ONLINE_WEEK: False}
    assert complete(still) == {}
    assert "is unavailable" in str(gone.skip_message)


def test_a_loss_is_recorded_by_the_tick_that_repairs_it(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, ONLINE_WEEK, last=DAYS[0])
    before = look(graph)
    graph.flush()

    lost = look(graph, before.cursor)
    repaired = graph.run(ONLINE_WEEK, last=DAYS[0])
    after = look(graph, lost.cursor)

    assert [complete(each) for each in (before, lost, after)] == [
        {ONLINE_WEEK: True},
        {ONLINE_WEEK: False},
        {ONLINE_WEEK: True},
    ]
    assert lost.run_requests
    found = {each.check_name: each.passed for each in repaired.get_asset_check_evaluations()}
    assert found["online_is_complete"]


@pytest.mark.parametrize("asset", [ONLINE_WEEK, "online/visitor_last"])
def test_a_store_that_was_flushed_is_repaired_by_the_next_tick(graph: Graph, asset: str) -> None:
    group = asset.rpartition("/")[2]
    graph.read_inputs(last=DAYS[2])
    graph.run(f"offline/{group}", asset, last=DAYS[2])
    before = graph.verify(group)
    assert tick(graph) == "Everything that is committed is published."
    graph.flush()

    requested = tick(graph)
    assert isinstance(requested, list)
    with graph.world.deployment.publishing() as publishing:
        restored = publishing.registry.manifest()
    for asked, first, last in requested:
        graph.run(asked, first=first, last=last)

    assert [asked for asked, *_ in requested] == [asset]
    assert group in restored.groups
    assert graph.verify(group) == before
    assert tick(graph) == "Everything that is committed is published."


def test_a_flip_that_died_halfway_is_finished(graph: Graph) -> None:
    """It is recorded offline; the manifest does not say it yet."""
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, ONLINE_WEEK, last=DAYS[0])
    deployment = graph.world.deployment
    spec = graph.world.declarations.group("visitor_week").spec
    with deployment.publishing() as publishing:
        publishing.registry.register(replace(spec, version=2))
        table = CatalogueTable(deployment.offline)
        table.go_live(publishing.online.namespace, {"visitor_week": 2})

        tick(graph)

        assert publishing.registry.manifest().groups["visitor_week"].live == 2


def test_a_dropped_version_is_not_brought_back(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, ONLINE_WEEK, last=DAYS[0])
    deployment = graph.world.deployment
    spec = graph.world.declarations.group("visitor_week").spec
    with deployment.publishing() as publishing:
        publishing.registry.register(replace(spec, version=2))
        publishing.registry.go_live({"visitor_week": 2})
        drop_version(
            "visitor_week",
            1,
            online=publishing.online,
            offline=deployment.offline,
            registry=publishing.registry,
        )

        said = tick(graph)
        again = graph.run(ONLINE_WEEK, last=DAYS[0])

        assert said == "Everything that is committed is published."
        assert again.success
        assert list(publishing.registry.manifest().groups["visitor_week"].versions) == [2]
