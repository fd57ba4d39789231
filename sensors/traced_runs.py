"""The root of each trace: the span of a run, recorded when the run has ended."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ..resources.tracing import is_traced, record_run

STARTED_BY = "headrace/started_by"
"""The tag of runs whose own process, a command, records their spans."""

_ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)


def trace_sensors() -> Sequence[dg.SensorDefinition]:
    """The sensors that record runs, where a receiver is configured; else none."""
    return [_trace_sensor(status) for status in _ENDED] if is_traced() else []


def _trace_sensor(status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=status,
        name=f"trace_{status.value.lower()}",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Records the spans of runs that ended in {status.value}.",
    )
    def trace(context: dg.RunStatusSensorContext) -> None:
        if STARTED_BY not in context.dagster_run.tags:
            record_ended(context.instance, context.dagster_run.run_id)

    return trace


def record_ended(instance: dg.DagsterInstance, run_id: str) -> None:
    """Record the span of a run that has ended, as the instance remembers it."""
    record = instance.get_run_record_by_id(run_id)
    if record is None or record.end_time is None:
        return
    run = record.dagster_run
    start = record.start_time or record.create_timestamp.timestamp()
    record_run(
        run_id,
        start=datetime.fromtimestamp(start, UTC),
        end=datetime.fromtimestamp(record.end_time, UTC),
        failure=None if run.is_success else run.status.value,
        run_id=run_id,
        job=run.job_name,
        assets=", ".join(sorted(key.to_user_string() for key in run.asset_selection or ())),
        partition=run.tags.get("dagster/partition", ""),
    )
