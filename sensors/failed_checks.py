"""Telling owners of checks that fail, and that they pass again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import dagster as dg
from dagster._core.event_api import EventLogRecord

from ..assets.factory.standing_checks import FRESHNESS
from ..contract.document import digest
from ..resources.alerts import Alert, deliver
from ..resources.deployments import Deployment

_AT_ONCE = 200  # alerts of one tick, so that a request stays readable; the others follow
_READ_AT_ONCE = 10_000  # evaluations of one tick
_KEPT = 1000  # failed partitions of a check that are remembered, to tell when they pass
_WARNED = "warning"  # stands for the run of a failure that is only a warning
_WHOLE = ""  # stands for the partition of a check that has none


@dataclass(slots=True)
class _Told:
    """What owners were told of and what is not resolved, as the sensor's cursor keeps it.

    Attributes:
        after: The last event of the event log that was looked at.
        failed: By check, the partitions that owners know to fail, with what they were told: the run
            that failed, or that it is a warning; the one told last comes last.
    """

    after: int = 0
    failed: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None, newest: int) -> "_Told":
        """What a cursor says, unless it is of another event log, which went further."""
        told = cls(**json.loads(cursor)) if cursor else cls()
        return told if told.after <= newest else cls()

    def to_cursor(self) -> str:
        kept = {
            check: dict(list(partitions.items())[-_KEPT:])
            for check, partitions in self.failed.items()
            if partitions
        }
        return json.dumps({"after": self.after, "failed": kept})

    def of(self, check: dg.AssetCheckKey) -> dict[str, str]:
        """The partitions of one check."""
        return self.failed.setdefault(check.to_user_string(), {})


def failed_checks_sensor() -> dg.SensorDefinition:
    """Tells the owners of an asset by webhook and log that a check of it failed, or passes again.

    They are told once of each partition and run that failed. A warning stops nothing, and comes
    again with every run; checks without partitions are made again and again, as `freshness` is: of
    both they are told once until they pass. What the webhook does not take is told by the next
    tick; what failed and passed between two ticks, never.
    """

    @dg.sensor(
        name="failed_checks",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Tells owners of failed checks, by HEADRACE_ALERT_WEBHOOK and in the log.",
    )
    def tell(
        context: dg.SensorEvaluationContext, deployment: dg.ResourceParam[Deployment]
    ) -> dg.SensorResult:
        newest = context.instance.event_log_storage.get_maximum_record_id() or 0
        told = _Told.read(context.cursor, newest)
        alerts = [] if told.after == newest else _news(context, told, newest)
        if alerts:
            deliver(alerts, deployment.environment)
        unresolved = sum(len(partitions) for partitions in told.failed.values())
        said = f"Told owners {len(alerts)} things; {unresolved} failures are not resolved."
        return dg.SensorResult(cursor=told.to_cursor(), skip_reason=said)

    return tell


def _news(context: dg.SensorEvaluationContext, told: _Told, newest: int) -> list[Alert]:
    """What owners have to be told now; it counts as told from then on."""
    if context.repository_def is None:
        return []  # nowhere but in a context that somebody built
    graph = context.repository_def.asset_graph
    checks = {key.to_user_string() for key in graph.asset_check_keys}
    told.failed = {name: failed for name, failed in told.failed.items() if name in checks}
    last, until = _last_evaluations(context.instance, told.after, newest)
    alerts: list[Alert] = []
    for record in last:
        evaluation = _evaluation(record)
        if evaluation is None or evaluation.asset_check_key.to_user_string() not in checks:
            continue
        if len(alerts) >= _AT_ONCE:
            return alerts
        told.after = record.storage_id
        if _is_news(evaluation, record.run_id, told.of(evaluation.asset_check_key)):
            owners = graph.get(evaluation.asset_key).owners
            alerts.append(_alert(evaluation, record, owners))
    told.after = until
    return alerts


def _last_evaluations(
    instance: dg.DagsterInstance, after: int, newest: int
) -> tuple[list[EventLogRecord], int]:
    """The last evaluation of each check and partition since an event; and how far that goes."""
    # Here, because whoever only loads definitions can do without all of SQLAlchemy and Alembic.
    from dagster._core.storage.event_log import SqlEventLogStorage  # noqa: PLC0415

    wanted = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=after)
    # What all of Dagster's storages inherit. SQLite's own looks through the databases of all runs,
    # though this kind of event stands in the common one, too.
    storage = cast("SqlEventLogStorage", instance.event_log_storage)
    records = SqlEventLogStorage.get_event_records(
        storage, wanted, limit=_READ_AT_ONCE, ascending=True
    )
    last: dict[tuple[object, str | None], EventLogRecord] = {}
    for record in records:
        evaluation = _evaluation(record)
        if evaluation is not None:
            last[evaluation.asset_check_key, evaluation.partition] = record
    until = records[-1].storage_id if len(records) == _READ_AT_ONCE else newest
    return sorted(last.values(), key=lambda record: record.storage_id), until


def _evaluation(record: EventLogRecord) -> dg.AssetCheckEvaluation | None:
    event = record.event_log_entry.dagster_event
    return None if event is None else event.asset_check_evaluation_data


def _is_news(evaluation: dg.AssetCheckEvaluation, run_id: str, failed: dict[str, str]) -> bool:
    """Whether owners do not know it yet; what they know is brought up to it."""
    partition = evaluation.partition or _WHOLE
    if evaluation.passed:
        return failed.pop(partition, None) is not None
    is_warning = evaluation.severity is dg.AssetCheckSeverity.WARN
    # The due partition is being made; where it is not soon, the severity rises.
    is_early = is_warning and evaluation.check_name == FRESHNESS
    told = _WARNED if is_warning else run_id
    is_known = failed.get(partition) == told or (partition in failed and partition == _WHOLE)
    if is_early or is_known:
        return False
    failed.pop(partition, None)
    failed[partition] = told
    return True


def _alert(
    evaluation: dg.AssetCheckEvaluation, record: EventLogRecord, owners: Sequence[str]
) -> Alert:
    state: Literal["failed", "resolved"] = "resolved" if evaluation.passed else "failed"
    key = evaluation.asset_check_key.to_user_string()
    news = f"{key} {evaluation.partition} {state} {record.run_id} {record.timestamp}"
    return Alert(
        id=digest(news.encode()),
        state=state,
        severity=evaluation.severity.value,
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition,
        owners=tuple(owners),
        run_id=record.run_id,
        said=evaluation.description or "",
    )
