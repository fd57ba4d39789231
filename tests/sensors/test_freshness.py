"""The sensor that records how old everything is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from headrace.assets.factory.standing_checks import Finding
from headrace.contract.clock import Clock
from headrace.sensors.freshness import freshness_sensor
from headrace.sensors.recorded import records_due
from headrace.tests.assets.factory.graph import ONLINE_WEEK, WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS

KEY = dg.AssetCheckKey(dg.AssetKey("group"), "freshness")


@pytest.fixture
def graph(tmp_path: Path, valkey_url: str) -> Iterator[Graph]:
    with graph_of(tmp_path, valkey_url) as made:
        yield made


def look(
    graph: Graph, cursor: str | None = None, clock: Clock | None = None
) -> SensorExecutionData:
    context = dg.build_sensor_context(
        cursor=cursor,
        instance=graph.instance,
        definitions=graph.definitions,
        resources={"deployment": graph.world.deployment},
    )
    sensor = freshness_sensor([graph.world.week], clock or graph.world.environment.clock())
    return sensor.evaluate_tick(context)


def recorded(data: SensorExecutionData) -> dict[str, tuple[bool, str, object]]:
    """What a tick recorded: by asset whether it passed, the severity, the newest partition."""
    events = [each for each in data.asset_events if isinstance(each, dg.AssetCheckEvaluation)]
    return {
        each.asset_key.to_user_string(): (
            each.passed,
            each.severity.value,
            each.metadata["newest_partition"].value,
        )
        for each in events
    }


def commit(graph: Graph, first: str, last: str) -> None:
    graph.read_inputs(first, last)
    assert graph.run(WEEK, ONLINE_WEEK, first=first, last=last).success


@pytest.mark.server
def test_a_group_is_fresh_by_its_newest_partition_whatever_is_backfilled(graph: Graph) -> None:
    commit(graph, DAYS[4], DAYS[5])
    overdue = look(graph)
    commit(graph, DAYS[0], DAYS[3])
    backfilled = look(graph, overdue.cursor)
    commit(graph, DAYS[13], DAYS[13])
    fresh = look(graph, backfilled.cursor)

    assert recorded(overdue) == {
        WEEK: (False, "ERROR", DAYS[5]),
        ONLINE_WEEK: (False, "ERROR", DAYS[5]),
    }
    assert recorded(backfilled) == {}
    assert recorded(fresh) == {
        WEEK: (True, "ERROR", DAYS[13]),
        ONLINE_WEEK: (True, "ERROR", DAYS[13]),
    }


@pytest.mark.server
def test_what_is_committed_and_not_published_is_fresh_offline_alone(graph: Graph) -> None:
    commit(graph, DAYS[0], DAYS[0])
    graph.read_inputs(DAYS[13], DAYS[13])
    graph.run(WEEK, first=DAYS[13], last=DAYS[13])

    found = recorded(look(graph))

    assert {asset: passed for asset, (passed, *_) in found.items()} == {
        WEEK: True,
        ONLINE_WEEK: False,
    }


def test_a_group_that_was_never_computed_is_nobodys_fault(tmp_path: Path) -> None:
    with graph_of(tmp_path) as graph:
        assert recorded(look(graph)) == {}


def test_a_record_is_plotted_and_scored_where_time_passes(tmp_path: Path) -> None:
    with graph_of(tmp_path) as graph:
        graph.read_inputs(DAYS[0], DAYS[0])
        graph.run(WEEK, last=DAYS[0])

        (real,) = look(graph, clock=Clock()).asset_events
        (frozen,) = look(graph).asset_events

    assert real.metadata["freshness_score"].value == 0.0
    assert isinstance(real.metadata["age_seconds"].value, int)
    assert "freshness_score" not in frozen.metadata
    assert frozen.metadata["age_seconds"].value == timedelta(days=13).total_seconds()


def finding(*, passed: bool = True, newest: str = "2024-01-01") -> Finding:
    return Finding(passed, "", {"newest_partition": dg.MetadataValue.text(newest)})


def test_changes_are_recorded_once() -> None:
    looks = [finding(), finding(), finding(newest="2024-01-02"), finding(passed=False), finding()]

    counts, cursor = [], None
    for each in looks:
        due, cursor = records_due(cursor, {KEY: each}, hourly=True)
        counts.append(len(due))

    assert counts == [1, 0, 1, 1, 1]


def test_what_does_not_change_is_recorded_once_an_hour_where_time_passes() -> None:
    _, cursor = records_due(None, {KEY: finding()}, hourly=True)
    now = datetime.now(UTC)
    long_ago = (now - timedelta(hours=1, minutes=1)).isoformat(timespec="seconds")
    old = cursor.replace(cursor.rpartition('", "')[2].partition('"')[0], long_ago)

    passing, _ = records_due(old, {KEY: finding()}, hourly=True)
    standing, _ = records_due(old, {KEY: finding()}, hourly=False)

    assert (len(passing), len(standing)) == (1, 0)


def test_a_cursor_forgets_what_is_not_looked_at_any_more() -> None:
    _, cursor = records_due(None, {KEY: finding()}, hourly=True)

    _, cursor = records_due(cursor, {}, hourly=True)

    assert cursor == "{}"
