"""Dagster's event log with open connections: the same rows in the same places, few open files."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from headrace.resources.event_log import EventLog

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")


@dg.asset(partitions_def=DAYS)
def counted() -> None:
    """Something that runs."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with _instance(tmp_path, ours=True) as opened:
        yield opened


def test_a_run_is_recorded_event_by_event(instance: dg.DagsterInstance) -> None:
    result = dg.materialize([counted], instance=instance, partition_key="2024-01-02")

    assert isinstance(instance.event_log_storage, EventLog)
    kinds = [entry.dagster_event_type for entry in instance.all_logs(result.run_id)]
    assert kinds.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 1
    assert kinds[-1] == dg.DagsterEventType.RUN_SUCCESS
    assert instance.get_materialized_partitions(counted.key) == {"2024-01-02"}


@pytest.mark.parametrize("ours", [True, False])
def test_either_storage_reads_what_the_other_wrote(tmp_path: Path, ours: bool) -> None:  # noqa: FBT001
    with _instance(tmp_path, ours=ours) as writer:
        result = dg.materialize([counted], instance=writer, partition_key="2024-01-02")
        written = len(writer.all_logs(result.run_id))

    with _instance(tmp_path, ours=not ours) as reader:
        dg.materialize([counted], instance=reader, partition_key="2024-01-03")

        assert len(reader.all_logs(result.run_id)) == written
        assert len(reader.get_materialized_partitions(counted.key)) == 2


def test_what_one_process_writes_another_sees(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    with _instance(tmp_path, ours=True) as other:
        dg.materialize([counted], instance=instance, partition_key="2024-01-01")
        seen = other.get_materialized_partitions(counted.key)
        dg.materialize([counted], instance=other, partition_key="2024-01-02")

    assert seen == {"2024-01-01"}
    assert len(instance.get_materialized_partitions(counted.key)) == 2


def test_many_runs_leave_few_files_open(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for _ in range(12):
        dg.materialize([counted], instance=instance, partition_key="2024-01-01")

    assert len(_open_databases(tmp_path)) <= 9
    instance.dispose()
    assert _open_databases(tmp_path) == set()


def _instance(folder: Path, *, ours: bool) -> dg.DagsterInstance:
    events = {
        "module": "headrace.resources.event_log" if ours else "dagster._core.storage.event_log",
        "class": "EventLog" if ours else "SqliteEventLogStorage",
        "config": {"base_dir": str(folder / "history" / "runs")},
    }
    settings = {"telemetry": {"enabled": False}, "event_log_storage": events}
    (folder / "dagster.yaml").write_text(json.dumps(settings))
    return dg.DagsterInstance.from_config(str(folder))


def _open_databases(folder: Path) -> set[str]:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("needs /proc")
    paths = (os.path.realpath(each) for each in descriptors.iterdir())
    return {path for path in paths if path.startswith(str(folder)) and path.endswith(".db")}
