"""A run whose process was killed holds nobody up."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from headrace.cli.dead_runs import end_dead_runs, end_dead_runs_of, end_orphaned_runs, living_run
from headrace.cli.services import dagster_home
from headrace.contract.environment import Environment

POOL = "offline/visits"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return dagster_home(Environment.read({"HEADRACE_HOME": str(tmp_path)}))


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as made:
        made.event_log_storage.set_concurrency_slots(POOL, 1)
        yield made


def started(instance: dg.DagsterInstance, **tags: str) -> str:
    """A run that has begun a step which holds the pool."""
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.event_log_storage.claim_concurrency_slot(POOL, run.run_id, "step")
    run_id: str = run.run_id
    return run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def holders(instance: dg.DagsterInstance) -> list[str]:
    slots = instance.event_log_storage.get_concurrency_info(POOL).claimed_slots
    return [slot.run_id for slot in slots]


def leave_behind(home: Path, run_id: str) -> None:
    """What a process leaves that is killed during a run: the file of a lock that nobody holds."""
    (home / "running").mkdir()
    (home / "running" / run_id).touch()


def test_a_dead_run_is_failed_and_its_pool_is_free(
    home: Path, instance: dg.DagsterInstance
) -> None:
    run_id = started(instance)
    leave_behind(home, run_id)

    assert end_dead_runs(home, instance) == [run_id]

    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE
    assert holders(instance) == []
    assert end_dead_runs(home, instance) == []


def test_a_living_run_is_left_alone(home: Path, instance: dg.DagsterInstance) -> None:
    run_id = started(instance)

    with living_run(home, run_id):
        assert end_dead_runs(home, instance) == []
        assert end_dead_runs_of(home) == []

    assert status(instance, run_id) is dg.DagsterRunStatus.STARTED
    assert holders(instance) == [run_id]
    assert list((home / "running").iterdir()) == []


def test_an_orphan_of_a_dagster_that_is_gone_is_failed_and_no_run_of_a_command_is(
    home: Path, instance: dg.DagsterInstance
) -> None:
    orphan = started(instance, **{GRPC_INFO_TAG: "{}"})
    command = started(instance)

    assert end_orphaned_runs(home) == [orphan]

    assert status(instance, orphan) is dg.DagsterRunStatus.FAILURE
    assert status(instance, command) is dg.DagsterRunStatus.STARTED
    assert orphan not in holders(instance)


def test_a_home_keeps_a_place_for_what_is_due_beside_a_backfill(
    instance: dg.DagsterInstance,
) -> None:
    config = instance.get_concurrency_config()
    queue = config.run_queue_config

    assert queue is not None
    assert queue.max_concurrent_runs == 2
    assert list(queue.tag_concurrency_limits) == [{"key": "dagster/backfill", "limit": 1}]
    assert instance.run_retries_enabled
    assert instance.get_settings("run_retries")["retry_on_asset_or_op_failure"] is False
