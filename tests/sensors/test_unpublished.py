"""The reconciler."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from headrace.assets.publishing import publish_partitions
from headrace.contract.errors import StoreUnavailableError
from headrace.sensors.unpublished import unpublished_sensor
from headrace.tests.assets.factory.graph import ONLINE_WEEK, WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS

pytestmark = pytest.mark.server

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def graph(tmp_path: Path, valkey_url: str) -> Iterator[Graph]:
    with graph_of(tmp_path, valkey_url) as made:
        yield made


def tick(graph: Graph) -> list[tuple[str, str, str]] | str | None:
    """What one tick of the sensor requests: asset, first and last partition; or why nothing."""
    declared = graph.world.declarations
    sensor = unpublished_sensor(list(declared.groups.values()), list(declared.services.values()))
    context = dg.build_sensor_context(
        instance=graph.instance,
        definitions=graph.definitions,
        resources={"deployment": graph.world.deployment},
    )
    data = sensor.evaluate_tick(context)
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


def test_a_store_of_ones_own_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with graph_of(tmp_path) as graph:
        graph.read_inputs(last=DAYS[0])
        graph.run(WEEK, last=DAYS[0])

        with pytest.raises(StoreUnavailableError):
            tick(graph)
