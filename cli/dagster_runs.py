"""Runs of Dagster's assets in this process, recorded on the home's instance like any other run."""

import re
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from ..assets.declarations import Dimension, FeatureGroup
from ..assets.factory.steps import PUBLISH_TAG
from ..definitions import build_definitions
from ..sensors.traced_runs import STARTED_BY, record_ended
from .console import progress
from .dead_runs import end_dead_runs, living_run
from .installation import Installation
from .interruption import heard_signals
from .run_plan import Node, PlannedRun
from .services import dagster_home

if TYPE_CHECKING:
    from rich.progress import TaskID

OnPartition: TypeAlias = Callable[[str], None]

_OURS = re.compile(r"^headrace\.contract\.errors\.\w+: ")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed in a run; `partition` is `None` where a whole step did."""

    asset: str
    partition: str | None
    reason: str

    def __str__(self) -> str:
        """As a command complains about it."""
        partition = f", partition {self.partition}" if self.partition else ""
        return f"{self.asset}{partition}: {self.reason}"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of one run: all is done when nothing failed."""

    run_id: str
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class DagsterRuns:
    """The assets of an installation, and the instance on which their runs are recorded."""

    job: dg.JobDefinition
    instance: dg.DagsterInstance
    home: Path

    @classmethod
    @contextmanager
    def of(cls, installation: Installation) -> Iterator["DagsterRuns"]:
        """The runs of an installation, for as long as the block lasts.

        Those whose process was killed are ended first: they would stand in the way.
        """
        environment = installation.environment
        with warnings.catch_warnings():
            # They tell authors of definitions; whoever runs a command cannot act on them.
            warnings.simplefilter("ignore", dg.PreviewWarning)
            warnings.simplefilter("ignore", dg.BetaWarning)
            definitions = build_definitions(environment, installation.declarations)
            job = definitions.resolve_implicit_global_asset_job_def()
            home = dagster_home(environment)
            with dg.DagsterInstance.from_config(str(home)) as instance:
                end_dead_runs(home, instance)
                yield cls(job, instance, home)

    def run(
        self, planned: PlannedRun, *, offline_only: bool = False, on_partition: OnPartition
    ) -> "RunResult":
        """Carry a planned run out. Partitions that fail do not stop others.

        Args:
            planned: Which assets, over which partitions.
            offline_only: Commit features without publishing them, and have nobody else do so.
            on_partition: Called with the name of an asset after each partition of it.

        Raises:
            KeyboardInterrupt: Somebody asked to stop; what was committed stays.
        """
        keys = [key for node in planned.nodes for key in _asset_keys(node, offline_only)]
        run_id = str(uuid.uuid4())
        with living_run(self.home, run_id), heard_signals() as is_asked_to_stop:
            self.instance.add_event_listener(run_id, _listener(on_partition, is_asked_to_stop))
            try:
                result = self.job.execute_in_process(
                    asset_selection=keys,
                    instance=self.instance,
                    raise_on_error=False,
                    run_id=run_id,
                    run_config=_QUIET,
                    tags=_tags(planned, offline_only),
                )
            except KeyboardInterrupt:
                self._cancelled(run_id)
                raise
            is_interrupted = is_asked_to_stop()
        record_ended(self.instance, run_id)
        if is_interrupted or any(_is_interruption(event) for event in result.all_events):
            raise KeyboardInterrupt  # which Dagster has recorded as the failure of a step
        failures = [failure for event in result.all_events for failure in _failures(event)]
        if not result.success and not failures:
            failures.append(Failure(f"run {run_id}", None, "it failed before its first step"))
        return RunResult(run_id, tuple(failures))

    def _cancelled(self, run_id: str) -> None:
        """Record that a run was interrupted where Dagster did not: before its first step."""
        run = self.instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            self.instance.report_run_canceled(run, "Somebody asked to stop.")


def carry_out(
    runs: DagsterRuns, planned: Sequence[PlannedRun], *, offline_only: bool = False
) -> list[RunResult]:
    """Carry planned runs out one after the other, with a progress bar for each asset.

    A run goes ahead when one before it failed: what is missing then, it says itself.
    """
    totals: Counter[str] = Counter()
    for each in planned:
        for node in each.nodes:
            keys = _asset_keys(node, offline_only)
            totals.update({key.to_user_string(): len(each.partitions) for key in keys})
    tasks: dict[str, TaskID] = {}
    with progress() as bar:

        def advance(asset: str) -> None:
            if asset not in tasks:
                tasks[asset] = bar.add_task(asset, total=totals[asset])
            bar.advance(tasks[asset])

        return [runs.run(each, offline_only=offline_only, on_partition=advance) for each in planned]


def _asset_keys(node: Node, offline_only: bool) -> list[dg.AssetKey]:
    if not isinstance(node, FeatureGroup):
        return [dg.AssetKey(node.asset_path)]
    keys = [dg.AssetKey(node.offline_path)]
    if node.spec.online is not None and not offline_only:
        keys.append(dg.AssetKey(node.online_path))
    return keys


def _tags(planned: PlannedRun, offline_only: bool) -> dict[str, str]:
    tags = {STARTED_BY: "headrace"}
    if offline_only:
        tags[PUBLISH_TAG] = "deferred"
    if not all(isinstance(node, Dimension) for node in planned.nodes):
        first, last = planned.range
        tags |= {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    return tags


def _listener(
    on_partition: OnPartition, is_asked_to_stop: Callable[[], bool]
) -> Callable[[EventLogEntry], None]:
    def listen(entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.is_step_materialization and event.asset_key is not None:
            on_partition(event.asset_key.to_user_string())
            if is_asked_to_stop():
                raise KeyboardInterrupt

    return listen


def _is_interruption(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error if event.is_step_failure else None
    return error is not None and error.cls_name == DagsterExecutionInterruptedError.__name__


def _failures(event: dg.DagsterEvent) -> list[Failure]:
    """What a failed step says: of each partition, where it names them."""
    if not event.is_step_failure:
        return []
    failed = event.step_failure_data
    asset = (event.step_key or "").partition(".")[0].replace("__", "/")  # behind it: a shard
    named = failed.user_failure_data and failed.user_failure_data.metadata.get("failed_partitions")
    if isinstance(named, dg.JsonMetadataValue) and isinstance(named.value, dict):
        return [Failure(asset, key, str(reason)) for key, reason in named.value.items()]
    error = failed.error.cause or failed.error if failed.error else None
    reason = _OURS.sub("", error.message.strip()) if error else str(event.message)
    return [Failure(asset, None, reason)]
