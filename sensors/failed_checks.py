"""Telling owners of checks that fail, and that they pass again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as COMPLETED,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
    AssetCheckPartitionInfo,
)

from ..assets.factory.standing_checks import FRESHNESS
from ..contract.document import digest
from ..resources.alerts import Alert, deliver
from ..resources.deployments import Deployment

_AT_ONCE = 200  # alerts of one tick, so that a request stays readable; the others follow
_KEPT = 1000  # failed partitions of a check that are remembered, to tell when they pass
_WHOLE = ""  # stands for the partition of a check that has none


@dataclass(slots=True)
class _Told:
    """What owners were told of and what is not resolved, as the sensor's cursor keeps it.

    Attributes:
        after: The last event of the event log that was looked at.
        failed: By check, the partitions that owners know to fail, with the run that they were told
            of; the one told last comes last.
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

    They are told once of each partition and run. Checks without partitions are made again and
    again, as `freshness` is: of those they are told once until they pass. What the webhook does not
    take is told by the next tick; what failed and passed between two ticks, never.
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
    repository, instance = context.repository_def, context.instance
    if repository is None:
        return []  # nowhere but in a context that somebody built
    graph = repository.asset_graph
    checks = {key.to_user_string(): key for key in graph.asset_check_keys}
    told.failed = {name: failed for name, failed in told.failed.items() if name in checks}
    alerts: list[Alert] = []
    for info in _changed(instance, list(checks.values()), told.after):
        if len(alerts) >= _AT_ONCE and info.latest_check_event_storage_id != told.after:
            return alerts
        told.after = info.latest_check_event_storage_id
        record = _to_tell(instance, info, told.of(info.check_key))
        if record is not None:
            owners = graph.get(info.check_key.asset_key).owners
            alerts += _alert(record, owners)
    told.after = newest
    return alerts


def _changed(
    instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey], after: int
) -> list[AssetCheckPartitionInfo]:
    """The newest record of each check and partition, of those with an event since, in order."""
    found = instance.event_log_storage.get_asset_check_partition_info(
        checks, after_storage_id=after
    )
    changed = [info for info in found if info.latest_check_event_storage_id > after]
    return sorted(changed, key=lambda info: info.latest_check_event_storage_id)


def _to_tell(
    instance: dg.DagsterInstance, info: AssetCheckPartitionInfo, failed: dict[str, str]
) -> AssetCheckExecutionRecord | None:
    """The record that is news to owners; what they know is brought up to it."""
    partition = info.partition_key or _WHOLE
    passed = info.latest_execution_status is AssetCheckExecutionRecordStatus.SUCCEEDED
    if passed and partition not in failed:
        return None
    # A run that is only planned hides the record of the one before.
    records = instance.event_log_storage.get_asset_check_execution_history(
        info.check_key,
        limit=1,
        status=COMPLETED,
        partition_filter=PartitionKeyFilter(key=info.partition_key),
    )
    if not records or records[0].evaluation is None:
        return None
    record, evaluation = records[0], records[0].evaluation
    if evaluation.passed:
        return record if failed.pop(partition, None) is not None else None
    is_known = failed.get(partition) == record.run_id or (partition in failed and not partition)
    # The due partition is being made; where it is not soon, the severity rises.
    is_early = (
        info.check_key.name == FRESHNESS and evaluation.severity is dg.AssetCheckSeverity.WARN
    )
    if is_known or is_early:
        return None
    failed.pop(partition, None)
    failed[partition] = record.run_id
    return record


def _alert(record: AssetCheckExecutionRecord, owners: Sequence[str]) -> Iterator[Alert]:
    evaluation, event = record.evaluation, record.event
    if evaluation is None or event is None:
        return
    asset, partition = record.key.asset_key.to_user_string(), record.partition
    state: Literal["failed", "resolved"] = "resolved" if evaluation.passed else "failed"
    news = f"{asset} {record.key.name} {partition} {state} {record.run_id} {event.timestamp}"
    yield Alert(
        id=digest(news.encode()),
        state=state,
        severity=evaluation.severity.value,
        asset=asset,
        check=record.key.name,
        partition=partition,
        owners=tuple(owners),
        run_id=record.run_id,
        said=evaluation.description or "",
    )
