"""What a trace tells of a run, to a real receiver."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from headrace.resources import trace_export
from headrace.resources.tracing import record_run, span, step_span
from headrace.sensors.traced_runs import record_ended, trace_sensors
from headrace.tests.assets.factory.graph import graph_of
from headrace.tests.otlp import Receiver, attributes, receiver

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that this process is configured to send to."""
    with receiver() as found:
        monkeypatch.setenv(ENDPOINT, found.endpoint)
        yield found
        trace_export.close()


@pytest.mark.server
def test_a_run_is_one_trace_of_its_steps_commits_and_publishes(
    seen: Receiver, tmp_path: Path, valkey_url: str
) -> None:
    with graph_of(tmp_path, valkey_url) as graph:
        graph.read_inputs()
        seen.spans.clear()
        result = graph.run("offline/visitor_week", "online/visitor_week", first="2024-01-08")
        record_ended(graph.instance, result.run_id)

    run = seen.named("run")
    assert (run.trace_id, run.span_id) == (known := uuid.UUID(result.run_id).bytes, known[8:])
    assert {each.trace_id for each in seen.spans} == {run.trace_id}
    steps = [each for each in seen.spans if each.name.startswith("step ")]
    assert {each.name for each in steps} == {
        "step offline/visitor_week",
        "step online/visitor_week",
    }
    assert {each.parent_span_id for each in steps} == {run.span_id}
    commit = seen.named("commit")
    assert commit.parent_span_id == seen.named("step offline/visitor_week").span_id
    assert attributes(commit)["headrace.table"] == "features/visitor_week/v1"
    assert attributes(commit)["headrace.table_version"] == 1
    publishes = [each for each in seen.spans if each.name == "publish"]
    assert len(publishes) == 7
    assert {each.parent_span_id for each in publishes} == {
        seen.named("step online/visitor_week").span_id
    }
    assert seen.services == {"headrace-pipeline"}


def test_a_failed_step_says_what_failed(seen: Receiver) -> None:
    run_id = str(uuid.uuid4())
    moment = datetime(2024, 1, 1, tzinfo=UTC)

    with pytest.raises(OSError, match="no disk"), step_span(run_id, "offline/cart"), span("commit"):
        raise OSError(28, "no disk")
    record_run(run_id, start=moment, end=moment + timedelta(hours=1), failure="FAILURE")

    assert {each.status.code for each in seen.spans} == {2}
    assert [event.name for event in seen.named("commit").events] == ["exception"]
    assert seen.named("run").end_time_unix_nano - seen.named("run").start_time_unix_nano == (
        3600 * 10**9
    )


def test_a_receiver_that_is_gone_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    with receiver() as gone:
        monkeypatch.setenv(ENDPOINT, gone.endpoint)

    with step_span(str(uuid.uuid4()), "offline/cart") as note:
        note(rows=1)

    trace_export.close()
    assert "Failed to export" in caplog.text


def test_sensors_record_runs_where_a_receiver_is_configured(seen: Receiver) -> None:
    assert {sensor.name for sensor in trace_sensors()} == {
        "trace_success",
        "trace_failure",
        "trace_canceled",
    }
    assert seen.spans == []


def test_the_sensor_leaves_runs_to_the_commands_that_started_them(
    seen: Receiver, tmp_path: Path
) -> None:
    (sensor, *_) = trace_sensors()
    with graph_of(tmp_path) as graph:
        for tags in ({}, {"headrace/started_by": "headrace"}):
            result = graph.run("sources/visits", tags=tags)
            run = graph.instance.get_run_by_id(result.run_id)
            assert run is not None
            sensor(
                dg.build_run_status_sensor_context(
                    sensor_name=sensor.name,
                    dagster_instance=graph.instance,
                    dagster_run=run,
                    dagster_event=result.all_events[-1],
                )
            )

    assert len([each for each in seen.spans if each.name == "run"]) == 1


def test_nothing_is_imported_where_no_receiver_is_configured(tmp_path: Path) -> None:
    program = (
        "import sys; from headrace.resources.tracing import span, step_span\n"
        "with step_span('no uuid', 'offline/cart'), span('commit') as note: note(rows=1)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert printed.stdout.strip() == "[]"
    assert trace_sensors() == []
