"""The regular ticks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from headrace.assets.factory.asset_graph import build_assets
from headrace.contract.clock import Clock
from headrace.contract.partitions import HOURLY
from headrace.sensors.schedules import (
    dimensions_schedule,
    garbage_schedule,
    maintenance_schedule,
    source_schedule,
)
from headrace.tests.assets.visits import DAYS, World, make_world

FROZEN = Clock(datetime(2024, 1, 15, tzinfo=UTC))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def tick(
    world: World, at: datetime, *, lateness: timedelta = timedelta(0), clock: Clock | None = None
) -> list[tuple[str, str]] | str | None:
    """The ranges that the source's schedule requests at an instant, or why none."""
    source = replace(world.source, lateness=lateness)
    context = dg.build_schedule_context(
        scheduled_execution_time=at, resources={"deployment": world.deployment}
    )
    data = source_schedule(source, clock or Clock()).evaluate_tick(context)
    if not data.run_requests:
        return data.skip_message
    return [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in data.run_requests
    ]


def test_the_day_that_has_just_ended_is_read(world: World) -> None:
    world.materialize(world.source, DAYS[:3])

    assert tick(world, datetime(2024, 1, 5, tzinfo=UTC)) == [(DAYS[3], DAYS[3])]


def test_days_that_were_missed_are_caught_up_in_one_run(world: World) -> None:
    world.materialize(world.source, DAYS[:3])

    assert tick(world, datetime(2024, 1, 9, tzinfo=UTC)) == [(DAYS[3], DAYS[7])]


def test_history_is_not_loaded_by_itself(world: World) -> None:
    assert tick(world, datetime(2024, 1, 9, tzinfo=UTC)) == [(DAYS[7], DAYS[7])]


def test_a_day_is_not_read_before_its_rows_have_arrived(world: World) -> None:
    world.materialize(world.source, DAYS[:3])

    at = datetime(2024, 1, 5, 1, tzinfo=UTC)
    said = tick(world, at, lateness=timedelta(hours=2))

    assert said == "Every partition that is due is committed."


def test_no_time_passes_under_a_frozen_clock(world: World) -> None:
    said = tick(world, datetime(2026, 1, 1, tzinfo=UTC), clock=FROZEN)

    assert isinstance(said, str)
    assert said.startswith("The clock of this home is frozen at 2024-01-15")


@pytest.mark.parametrize(
    ("lateness", "cron"),
    [
        (timedelta(0), "0 0 * * *"),
        (timedelta(hours=2, minutes=30), "30 2 * * *"),
        (timedelta(days=1, hours=3), "0 3 * * *"),
        (timedelta(seconds=1), "1 0 * * *"),
        (timedelta(hours=23, minutes=59, seconds=30), "0 0 * * *"),
    ],
)
def test_a_daily_source_is_read_as_late_as_its_rows_may_be(
    world: World, lateness: timedelta, cron: str
) -> None:
    schedule = source_schedule(replace(world.source, lateness=lateness), Clock())

    assert schedule.cron_schedule == cron


@pytest.mark.parametrize(
    ("lateness", "cron"),
    [
        (timedelta(0), "0 * * * *"),
        (timedelta(minutes=5), "5 * * * *"),
        (timedelta(minutes=59, seconds=30), "0 * * * *"),
    ],
)
def test_an_hourly_source_is_read_every_hour(world: World, lateness: timedelta, cron: str) -> None:
    hourly = replace(world.source, partitions=HOURLY, lateness=lateness)

    assert source_schedule(hourly, Clock()).cron_schedule == cron


def test_dimensions_are_read_again_every_day_that_passes(world: World) -> None:
    at = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 1, tzinfo=UTC))

    running = dimensions_schedule([world.dimension], Clock()).evaluate_tick(at)
    frozen = dimensions_schedule([world.dimension], FROZEN).evaluate_tick(at)

    assert len(running.run_requests or ()) == 1
    assert not frozen.run_requests


MAINTAINED = ("maintenance/visitor_rank", "maintenance/visitor_week")


def definitions_of(world: World) -> dg.Definitions:
    return dg.Definitions(
        assets=build_assets(world.declarations, Clock()),
        resources={"deployment": world.deployment},
    )


def maintenance(instance: dg.DagsterInstance, world: World, clock: Clock) -> list[str] | str | None:
    """The assets that the schedule of maintenance requests, or why none."""
    schedule = maintenance_schedule([world.week, world.rank], clock)
    definitions = definitions_of(world)
    context = dg.build_schedule_context(
        instance=instance, repository_def=definitions.get_repository_def()
    )
    data = schedule.evaluate_tick(context)
    if not data.run_requests:
        return data.skip_message
    (request,) = data.run_requests
    assert request.tags["dagster/priority"] == "-10"
    assert request.asset_selection is not None
    return sorted(key.to_user_string() for key in request.asset_selection)


def test_all_tables_are_maintained_in_one_run_that_others_go_before(world: World) -> None:
    with dg.instance_for_test() as instance:
        assert maintenance(instance, world, Clock()) == list(MAINTAINED)


def test_a_table_that_is_being_computed_is_maintained_another_day(world: World) -> None:
    definitions = definitions_of(world)
    with dg.instance_for_test() as instance:
        for planned in ("offline/visitor_week", "maintenance/visitor_rank"):
            instance.create_run_for_job(
                definitions.resolve_implicit_global_asset_job_def(),
                asset_selection=frozenset({dg.AssetKey(planned.split("/"))}),
                status=dg.DagsterRunStatus.STARTED,
            )

        assert maintenance(instance, world, Clock()) == (
            "Every table is being computed or maintained."
        )


def test_nothing_is_maintained_under_a_frozen_clock(world: World) -> None:
    with dg.instance_for_test() as instance:
        said = maintenance(instance, world, FROZEN)

    assert isinstance(said, str)
    assert said.startswith("The clock of this home is frozen at 2024-01-15")


def collection(clock: Clock, instance: dg.DagsterInstance) -> str | None:
    """Why no garbage is collected; `None` when a run is requested."""
    data = garbage_schedule(clock).evaluate_tick(dg.build_schedule_context(instance=instance))
    if not data.run_requests:
        return data.skip_message
    (request,) = data.run_requests
    assert request.tags["dagster/priority"] == "-10"
    return None


def test_garbage_is_collected_by_one_run_at_a_time_that_others_go_before(world: World) -> None:
    definitions = definitions_of(world)
    with dg.instance_for_test() as instance:
        alone = collection(Clock(), instance)
        instance.create_run_for_job(
            definitions.resolve_implicit_global_asset_job_def(),
            asset_selection=frozenset({dg.AssetKey(["maintenance", "online_store"])}),
            status=dg.DagsterRunStatus.STARTED,
        )
        beside = collection(Clock(), instance)
        frozen = collection(FROZEN, instance)

    assert (alone, beside) == (None, "It is being collected.")
    assert frozen is not None
    assert frozen.startswith("The clock of this home is frozen")
