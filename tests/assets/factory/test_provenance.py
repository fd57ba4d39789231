"""What Dagster's pages call out of sync: exactly what was computed before one of its inputs was."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from headrace.tests.assets.factory.graph import WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with graph_of(tmp_path) as made:
        yield made


def unsynced(graph: Graph, asset: str) -> list[str]:
    """The days of an asset that Dagster calls stale."""
    nodes = graph.definitions.resolve_asset_graph()
    loading = LoadingContextForTest(graph.instance)
    found = CachingStaleStatusResolver(graph.instance, nodes, loading)
    key = dg.AssetKey(asset.split("/"))
    return [day for day in DAYS if found.get_status(key, day).value == "STALE"]


def test_what_was_just_computed_is_in_sync_though_days_of_its_window_are_missing(
    graph: Graph,
) -> None:
    graph.read_inputs(first=DAYS[2])

    graph.run(WEEK, first=DAYS[2])

    assert unsynced(graph, WEEK) == []


def test_a_late_day_puts_exactly_the_windows_that_hold_it_out_of_sync(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK)
    graph.world.add((DAYS[3], 1, "a", 1.0))
    graph.run("sources/visits", first=DAYS[3], last=DAYS[3])

    late = unsynced(graph, WEEK)
    graph.run(WEEK, first=DAYS[3], last=DAYS[9])

    assert late == list(DAYS[3:10])
    assert unsynced(graph, WEEK) == []


def test_a_repetition_upstream_puts_nothing_out_of_sync(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK)

    graph.read_inputs()

    assert unsynced(graph, WEEK) == []
