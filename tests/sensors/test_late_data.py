"""Rows that come late are found, wherever they come from."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from headrace.contract.clock import Clock
from headrace.sensors.asking import LATE_TAG
from headrace.sensors.late_data import late_data_sensor
from headrace.tests.assets.factory.graph import WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS, midnight

VISITS = "sources/visits"
BOUNDS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
NOTHING = "7 partitions were read: nothing came late."


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """A world whose days are read."""
    with graph_of(tmp_path) as made:
        made.read_inputs()
        yield made


def look(
    graph: Graph,
    cursor: str | None = None,
    *,
    clock: Clock | None = None,
    budget: timedelta = timedelta(seconds=10),
) -> SensorExecutionData:
    """One tick, a week back from the clock."""
    source = replace(graph.world.source, late_within=timedelta(days=7))
    context = dg.build_sensor_context(
        cursor=cursor,
        instance=graph.instance,
        definitions=graph.definitions,
        resources={"deployment": graph.world.deployment},
    )
    sensor = late_data_sensor([source], clock or graph.world.environment.clock(), budget=budget)
    return sensor.evaluate_tick(context)


def requested(data: SensorExecutionData) -> list[tuple[str, str]] | str | None:
    ranges = [(each.tags[BOUNDS[0]], each.tags[BOUNDS[1]]) for each in data.run_requests or ()]
    return ranges or data.skip_message


def run(graph: Graph, data: SensorExecutionData) -> None:
    for request in data.run_requests or ():
        first, last = (request.tags[name] for name in BOUNDS)
        graph.run(VISITS, first=first, last=last, tags=request.tags)


def test_a_row_that_comes_late_is_found_once(graph: Graph) -> None:
    before = look(graph)
    graph.world.add((DAYS[9], 3, "a", 1.0))
    late = look(graph, before.cursor)
    run(graph, late)
    after = look(graph, late.cursor)

    assert requested(before) == requested(after) == NOTHING
    assert requested(late) == [(DAYS[9], DAYS[9])]
    assert [request.tags[LATE_TAG] for request in late.run_requests or ()] == ["true"]
    assert graph.world.generations(graph.world.source)[DAYS[9]] == 2


@pytest.mark.parametrize("change", ["corrected", "gone"])
def test_a_row_that_is_corrected_or_gone_counts_like_a_late_one(graph: Graph, change: str) -> None:
    there = pl.col("visited_at").dt.date() == midnight(DAYS[13]).date()
    rows = graph.world.visits
    graph.world.visits = (
        rows.filter(~there)
        if change == "gone"
        else rows.with_columns(seconds=pl.when(there).then(99.0).otherwise("seconds"))
    )

    assert requested(look(graph)) == [(DAYS[13], DAYS[13])]


def test_days_that_ended_long_ago_are_left_alone(graph: Graph) -> None:
    graph.world.add((DAYS[6], 3, "a", 1.0))
    graph.world.add((DAYS[7], 3, "a", 1.0))

    assert requested(look(graph)) == [(DAYS[7], DAYS[7])]


def test_rows_in_another_order_are_the_same_rows(graph: Graph) -> None:
    graph.world.visits = graph.world.visits.reverse()

    assert requested(look(graph)) == NOTHING


def test_a_day_that_was_never_read_is_not_late(graph: Graph) -> None:
    found = look(graph, clock=Clock(midnight("2024-01-16")))

    assert requested(found) == "6 partitions were read: nothing came late."


def test_late_rows_that_are_refused_are_not_asked_for_again(graph: Graph) -> None:
    graph.world.add((DAYS[9], 3, "a", 1.0))
    graph.world.visits = graph.world.visits.with_columns(
        page=pl.when(pl.col("visitor") == 3).then(None).otherwise("page")
    )
    late = look(graph)
    run(graph, late)
    again = look(graph, late.cursor)
    graph.world.add((DAYS[9], 4, "a", 1.0))
    other = look(graph, again.cursor)

    assert requested(late) == requested(other) == [(DAYS[9], DAYS[9])]
    assert requested(again) == NOTHING
    assert graph.world.generations(graph.world.source)[DAYS[9]] == 1


def test_a_request_whose_run_was_lost_is_made_again(graph: Graph) -> None:
    graph.world.add((DAYS[9], 3, "a", 1.0))
    first = look(graph)
    second = look(graph, first.cursor)

    assert requested(first) == requested(second) == [(DAYS[9], DAYS[9])]


def test_a_source_that_is_being_read_is_left_alone(graph: Graph) -> None:
    graph.world.add((DAYS[9], 3, "a", 1.0))
    graph.instance.create_run_for_job(
        graph.definitions.resolve_implicit_global_asset_job_def(),
        asset_selection=frozenset({dg.AssetKey(VISITS.split("/"))}),
        status=dg.DagsterRunStatus.STARTED,
    )

    assert requested(look(graph)) == "0 partitions were read: nothing came late."


def test_ticks_take_turns_when_reading_takes_long(graph: Graph) -> None:
    graph.world.asked.clear()
    cursor = None
    for _ in range(8):
        cursor = look(graph, cursor, budget=timedelta(0)).cursor

    days = [*DAYS[7:], DAYS[7]]
    assert [start for start, _ in graph.world.asked] == [midnight(day) for day in days]


def test_a_day_that_cannot_be_read_keeps_no_other_from_being_looked_at(graph: Graph) -> None:
    graph.world.add((DAYS[9], 3, "a", 1.0))
    read = graph.world.source.reader

    def reader(start: datetime, end: datetime) -> pl.LazyFrame:
        if start == midnight(DAYS[8]):
            msg = "the database is away"
            raise ConnectionError(msg)
        return read(start, end)

    graph.world.source = replace(graph.world.source, reader=reader)

    assert requested(look(graph)) == [(DAYS[9], DAYS[9])]


def test_windows_downstream_are_requested_by_what_changed(graph: Graph) -> None:
    graph.run(WEEK)
    evaluated = graph.evaluate_automation()
    graph.world.add((DAYS[9], 3, "a", 1.0))
    run(graph, look(graph))

    found = graph.evaluate_automation(evaluated)

    assert found.get_requested_partitions(dg.AssetKey(WEEK.split("/"))) == set(DAYS[9:])
