"""Runs whose process died: what they held is given free, so that others can go on.

Dagster notices the death of processes that it launched itself. A command carries out its runs in
its own process: killed, its run would be *started* for ever, its table's pool taken, and whoever
computes next would wait for it. So each such run holds a lock, which the kernel lets go of however
the process ends; a lock that nobody holds marks a dead run.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG

_FOLDER = "running"
_LAUNCHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextmanager
def living_run(dagster_home: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run, for as long as this process carries it out."""
    folder = dagster_home / _FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / run_id
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def end_dead_runs(dagster_home: Path, instance: dg.DagsterInstance) -> list[str]:
    """Record runs of commands that were killed as failed, and give free what they held; their ids.

    What they committed stays, so that the same command again continues where they stopped.
    """
    dead = _unheld(dagster_home)
    for run_id in dead:
        _end(instance, run_id)
        (dagster_home / _FOLDER / run_id).unlink(missing_ok=True)
    return dead


def end_dead_runs_of(dagster_home: Path) -> list[str]:
    """The same, for whoever has no instance open; opens none while there is nothing to do."""
    if not _unheld(dagster_home):
        return []
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        return end_dead_runs(dagster_home, instance)


def end_orphaned_runs(dagster_home: Path) -> list[str]:
    """Record runs as failed that were launched by a Dagster which is gone; their ids.

    Only for whoever is about to start the one Dagster of a home. Its daemon then launches them
    again, and a backfill that waits for them goes on.
    """
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=_LAUNCHED))
        orphans = [run.run_id for run in runs if GRPC_INFO_TAG in run.tags]
        for run_id in orphans:
            _end(instance, run_id)
    return orphans


def _end(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, "The process that carried it out died.")
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def _unheld(dagster_home: Path) -> list[str]:
    """The runs whose lock nobody holds."""
    unheld = []
    for path in sorted((dagster_home / _FOLDER).glob("*")):
        with path.open("a") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unheld.append(path.name)
    return unheld
