"""What is due goes first, then what follows from it, then backfills; maintenance comes last."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from headrace.contract.clock import Clock
from headrace.sensors.automation import automation_sensor
from headrace.sensors.schedules import dimensions_schedule, source_schedule
from headrace.tests.assets.visits import DAYS, make_world


def test_runs_have_the_priority_of_their_reason(tmp_path: Path) -> None:
    """`test_schedules` has maintenance."""
    world = make_world(tmp_path)
    world.materialize(world.source, DAYS[:3])
    at = dg.build_schedule_context(
        scheduled_execution_time=datetime(2024, 1, 6, tzinfo=UTC),
        resources={"deployment": world.deployment},
    )

    source = source_schedule(world.source, Clock()).evaluate_tick(at)
    dimensions = dimensions_schedule([world.dimension], Clock()).evaluate_tick(at)

    requests = [*(source.run_requests or ()), *(dimensions.run_requests or ())]
    assert [each.tags["dagster/priority"] for each in requests] == ["10", "10"]
    assert automation_sensor().run_tags == {"dagster/priority": "5"}
