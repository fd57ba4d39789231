"""What Dagster's own queue launches first, with the settings of a home.

Runs are submitted to the real run coordinator, and its daemon takes them out; a launcher that
starts nothing writes down what it is given.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)

from headrace.contract.clock import Clock
from headrace.contract.environment import DEPLOYMENTS
from headrace.sensors.automation import automation_sensor
from headrace.sensors.schedules import source_schedule
from headrace.tests.assets.visits import DAYS, make_world

DEPLOY = Path(__file__).parents[2] / "deploy"
LOCATION = RegisteredCodeLocationOrigin("headrace")
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), "anything")


@dg.job
def anything() -> None:
    """A job without steps: what matters are its runs' tags."""


@dataclass(frozen=True, slots=True)
class Queue:
    """An instance, and the daemon of its queue.

    Attributes:
        names: What a test calls the runs, by their ids.
    """

    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    daemon: QueuedRunCoordinatorDaemon
    names: dict[str, str] = field(default_factory=dict)

    def submit(self, name: str, tags: Mapping[str, str]) -> None:
        """Put a run into the queue."""
        run = self.instance.create_run_for_job(anything, tags=dict(tags), remote_job_origin=ORIGIN)
        self.names[run.run_id] = name
        request = SubmitRunContext(run, self.workspace.create_request_context())
        self.instance.run_coordinator.submit_run(request)

    def launch(self) -> list[str]:
        """What the daemon's next look at the queue launches, in order."""
        launcher: Any = self.instance.run_launcher  # Dagster's own, without types
        before = len(launcher.queue())
        list(self.daemon.run_iteration(self.workspace))
        return [self.names[run.run_id] for run in launcher.queue()[before:]]


def concurrency(deployment: str) -> dict[str, Any]:
    """What `dagster.yaml` of a deployment says about how many runs go on at a time."""
    settings = yaml.safe_load((DEPLOY / deployment / "dagster.yaml").read_text())
    found: dict[str, Any] = settings["concurrency"]
    return found


@pytest.fixture
def queue() -> Iterator[Queue]:
    launcher = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}
    settings = {"concurrency": concurrency("local"), "run_launcher": launcher}
    with (
        dg.instance_for_test(overrides=settings) as instance,
        create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace,
        QueuedRunCoordinatorDaemon(interval_seconds=5) as daemon,
    ):
        yield Queue(instance, workspace, daemon)


@pytest.fixture(scope="module")
def due(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The tags of a day's run, as its schedule asks for it."""
    world = make_world(tmp_path_factory.mktemp("world"))
    world.materialize(world.source, DAYS[:3])
    tick = source_schedule(world.source, Clock()).evaluate_tick(
        dg.build_schedule_context(
            scheduled_execution_time=datetime(2024, 1, 5, tzinfo=UTC),
            resources={"deployment": world.deployment},
        )
    )
    (request,) = tick.run_requests or ()
    return request.tags


def backfill_of(name: str) -> Mapping[str, str]:
    return dg.DagsterRun.tags_for_backfill_id(name)


def test_today_is_launched_before_a_backfill_that_was_asked_for_first(
    queue: Queue, due: Mapping[str, str]
) -> None:
    """Then what follows from today, also where it is several partitions: a backfill to Dagster."""
    caused = {**(automation_sensor().run_tags or {}), **backfill_of("automation")}
    for _ in range(3):
        queue.submit("history", backfill_of("history"))
    queue.submit("automation", caused)
    queue.submit("today", due)

    assert queue.launch() == ["today", "automation"]


def test_a_running_backfill_leaves_room_for_what_comes_due(
    queue: Queue, due: Mapping[str, str]
) -> None:
    for _ in range(3):
        queue.submit("history", backfill_of("history"))
    running = queue.launch()
    queue.submit("today", due)

    assert running == ["history"]
    assert queue.launch() == ["today"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_no_deployment_gives_all_of_its_runs_to_backfills(deployment: str) -> None:
    runs = concurrency(deployment)["runs"]
    limits = {each["key"]: each["limit"] for each in runs["tag_concurrency_limits"]}

    assert 0 < limits["dagster/backfill"] < runs["max_concurrent_runs"]
