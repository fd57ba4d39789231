"""Held partitions as Dagster runs and records them: nothing downstream notices before approval."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from headrace.assets.approval import approve
from headrace.assets.factory.approval_check import APPROVED
from headrace.assets.factory.checks import CHECK
from headrace.tests.assets.factory.graph import ONLINE_WEEK, WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS, World

RANK = "offline/visitor_rank"
FIRST = DAYS[0]


def with_approval(world: World) -> None:
    world.week = replace(world.week, approval=True)


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with graph_of(tmp_path, change=with_approval) as made:
        made.read_inputs(last=DAYS[1])
        yield made


def approve_first(graph: Graph) -> None:
    approve(graph.world.week, FIRST, graph.world.deployment.offline, by="ann", reason="fine")


def requested(graph: Graph, after: dg.EvaluateAutomationConditionsResult) -> dict[str, set[str]]:
    now = graph.evaluate_automation(after)
    return {
        asset: {str(key) for key in now.get_requested_partitions(dg.AssetKey(asset.split("/")))}
        for asset in (WEEK, ONLINE_WEEK, RANK)
    }


def test_a_held_partition_has_checks_and_no_materialization_and_stops_the_run_there(
    graph: Graph,
) -> None:
    result = graph.run_one(WEEK, ONLINE_WEEK, RANK, partition=FIRST)

    assert result.success
    assert [graph.records(asset) for asset in (WEEK, ONLINE_WEEK, RANK)] == [[], [], []]
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    held = checks[APPROVED]
    assert checks[CHECK].passed
    assert (held.passed, held.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert held.metadata["held_rows"].value == 2
    assert held.metadata["approve"].value == (
        "headrace approve visitor_week@1 2024-01-01 --reason …"
    )


def test_automation_answers_an_approval_and_not_what_is_held(graph: Graph) -> None:
    at_first = graph.evaluate_automation()
    graph.run(WEEK, last=DAYS[1])
    while_held = requested(graph, at_first)
    approve_first(graph)
    second = graph.evaluate_automation(at_first)
    graph.run_one(WEEK, partition=FIRST)

    approved = requested(graph, second)

    assert while_held == {WEEK: set(), ONLINE_WEEK: set(), RANK: set()}
    assert approved == {WEEK: set(), ONLINE_WEEK: {FIRST}, RANK: {FIRST}}
    assert graph.records(WEEK) == [(FIRST, "1", True)]
    assert graph.checks(WEEK, APPROVED)[FIRST] == ("SUCCEEDED", True)


def test_in_a_range_what_is_approved_is_recorded_and_the_rest_is_held(graph: Graph) -> None:
    graph.run(WEEK, last=DAYS[1])
    approve_first(graph)

    result = graph.run(WEEK, ONLINE_WEEK, last=DAYS[1])

    assert result.success
    assert graph.records(WEEK) == [(FIRST, "1", True)]
    assert {day: status for day, (status, _) in graph.checks(WEEK, APPROVED).items()} == {
        FIRST: "SUCCEEDED",
        DAYS[1]: "FAILED",
    }


@pytest.mark.server
def test_online_serves_the_state_before_until_the_reconciler_sees_the_approval(
    tmp_path: Path, valkey_url: str
) -> None:
    with graph_of(tmp_path, valkey_url, change=with_approval) as graph:
        graph.read_inputs(last=FIRST)
        graph.run_one(WEEK, partition=FIRST)
        graph.run_one(ONLINE_WEEK, partition=FIRST)
        never = graph.records(ONLINE_WEEK), graph.unpublished("visitor_week")
        approve_first(graph)
        left = graph.unpublished("visitor_week")
        graph.run_one(ONLINE_WEEK, partition=FIRST)
        graph.world.add((FIRST, 1, "a", 5.0))
        graph.run_one("sources/visits", partition=FIRST)
        graph.run_one(WEEK, ONLINE_WEEK, partition=FIRST)
        while_held = graph.unpublished("visitor_week"), graph.verify("visitor_week")

    assert never == ([], [])
    assert list(left) == [FIRST]
    assert while_held == ([], (2, []))
