"""Which runs still count as going on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.record import copy

from headrace.sensors.requests import goes_on, is_planned
from headrace.tests.assets.factory.graph import WEEK, Graph, graph_of

KEY = dg.AssetKey(WEEK.split("/"))


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with graph_of(tmp_path) as made:
        yield made


def run(graph: Graph, status: str, asset: dg.AssetKey = KEY) -> dg.RunRecord:
    graph.instance.create_run_for_job(
        graph.definitions.resolve_implicit_global_asset_job_def(),
        asset_selection=frozenset({asset}),
        status=dg.DagsterRunStatus(status),
    )
    return graph.instance.get_run_records(limit=1)[0]


@pytest.mark.parametrize(
    ("status", "recently", "long_ago"),
    [
        ("STARTED", True, False),
        ("STARTING", True, False),
        ("SUCCESS", False, False),
        ("FAILURE", False, False),
    ],
)
def test_a_run_that_began_long_ago_died_with_its_machine(
    graph: Graph, status: str, *, recently: bool, long_ago: bool
) -> None:
    record = run(graph, "STARTED")
    begun = record.dagster_run.with_status(dg.DagsterRunStatus(status))
    record = copy(record, dagster_run=begun)
    old = copy(record, update_timestamp=datetime.now(UTC) - timedelta(hours=6, minutes=1))

    assert (goes_on(record), goes_on(old)) == (recently, long_ago)


def test_an_asset_is_planned_while_a_run_of_it_goes_on(graph: Graph) -> None:
    run(graph, "STARTED", dg.AssetKey(["offline", "visitor_rank"]))
    run(graph, "SUCCESS")
    before = is_planned(graph.instance, KEY)
    run(graph, "STARTED")

    assert (before, is_planned(graph.instance, KEY)) == (False, True)
