"""The regular ticks: when sources and dimensions are read, and groups are exported."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import dagster as dg

from ..assets.declarations import Dimension, FeatureGroup, Source
from ..assets.factory.maintenance import maintenance_key, table_key
from ..assets.factory.online_garbage import KEY as ONLINE_GARBAGE
from ..assets.materialization import Materialized
from ..assets.partitions import partitions_until
from ..contract.clock import Clock
from ..contract.partitions import DAILY
from ..resources.deployments import Deployment
from .priorities import DUE, SPARE, priority, with_priority
from .requests import is_planned, range_requests

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


def source_schedule(source: Source, clock: Clock) -> dg.ScheduleDefinition:
    """Reads each partition of a source once its normal lateness has passed.

    What was missed while nothing ran is caught up; what lies before the first committed partition
    is history, and loading that is somebody's decision.
    """
    key = dg.AssetKey(source.asset_path)

    @dg.schedule(
        name=f"read_{source.name}",
        cron_schedule=_cron(source),
        target=dg.AssetSelection.assets(key),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Reads partitions of {source.name} {source.lateness} after they end.",
    )
    def read(
        context: dg.ScheduleEvaluationContext, deployment: dg.ResourceParam[Deployment]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if clock.frozen_at is not None:
            yield _frozen(clock)
            return
        due = _due(source, deployment, context.scheduled_execution_time)
        if not due:
            yield dg.SkipReason("Every partition that is due is committed.")
        yield from with_priority(range_requests(key, due, source.partitions), DUE)

    return read


def dimensions_schedule(dimensions: Sequence[Dimension], clock: Clock) -> dg.ScheduleDefinition:
    """Reads all dimensions again, once a day; those that did not change commit nothing."""

    @dg.schedule(
        name="read_dimensions",
        cron_schedule="0 0 * * *",
        target=dg.AssetSelection.assets(*(dg.AssetKey(each.asset_path) for each in dimensions)),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Reads all dimensions again.",
    )
    def read() -> Iterator[dg.RunRequest | dg.SkipReason]:
        first = dg.RunRequest(tags=priority(DUE))
        yield first if clock.frozen_at is None else _frozen(clock)

    return read


def iceberg_schedule(groups: Sequence[FeatureGroup], clock: Clock) -> dg.ScheduleDefinition:
    """Exports all groups to Iceberg, once a day; stopped until somebody who has readers starts it.

    After the night's computations, so that readers see a day at a time. What did not change since
    the last export is left alone.
    """

    @dg.schedule(
        name="export_iceberg",
        cron_schedule="0 6 * * *",
        target=dg.AssetSelection.assets(*(dg.AssetKey(each.iceberg_path) for each in groups)),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Registers what was committed in the Iceberg catalog, for its readers.",
    )
    def export() -> Iterator[dg.RunRequest | dg.SkipReason]:
        yield dg.RunRequest() if clock.frozen_at is None else _frozen(clock)

    return export


def maintenance_schedule(tables: Sequence[Materialized], clock: Clock) -> dg.ScheduleDefinition:
    """Maintains all tables once a day, in one run that lets every other go before it.

    A table that is about to be computed is left out: a run that waits for it would take the place
    of one that could compute.
    """
    keys = {maintenance_key(each): table_key(each) for each in tables}

    @dg.schedule(
        name="maintain_tables",
        cron_schedule="30 3 * * *",
        target=dg.AssetSelection.assets(*keys),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Compaction, checkpoints and vacuum of all tables.",
    )
    def maintain(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if clock.frozen_at is not None:
            yield _frozen(clock)
            return
        idle = [
            key
            for key, table in keys.items()
            if not is_planned(context.instance, key) and not is_planned(context.instance, table)
        ]
        if idle:
            yield dg.RunRequest(asset_selection=idle, tags=priority(SPARE))
        else:
            yield dg.SkipReason("Every table is being computed or maintained.")

    return maintain


def garbage_schedule(clock: Clock) -> dg.ScheduleDefinition:
    """Frees the online store of rows that nobody reads, once a day, behind every other run."""

    @dg.schedule(
        name="collect_garbage",
        cron_schedule="30 4 * * *",
        target=dg.AssetSelection.assets(ONLINE_GARBAGE),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Removes rows that nobody reads from the online store.",
    )
    def collect(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if clock.frozen_at is not None:
            yield _frozen(clock)
        elif is_planned(context.instance, ONLINE_GARBAGE):
            yield dg.SkipReason("It is being collected.")
        else:
            yield dg.RunRequest(tags=priority(SPARE))

    return collect


def _due(source: Source, deployment: Deployment, now: datetime) -> list[str]:
    over = partitions_until(source, now - source.lateness)
    committed = deployment.offline.table(source.table).snapshot().commits
    if not committed:
        return list(over[-1:])
    newest = max(committed)
    return [key for key in over if key > newest]


def _cron(source: Source) -> str:
    offset = source.lateness % source.partitions.length
    minutes = -(-offset // _MINUTE)
    hour, minute = divmod(minutes, _HOUR // _MINUTE)
    if source.partitions == DAILY:
        return f"{minute} {hour % 24} * * *"
    return f"{minute} * * * *"


def _frozen(clock: Clock) -> dg.SkipReason:
    return dg.SkipReason(f"The clock of this home is frozen at {clock.frozen_at}: no time passes.")
