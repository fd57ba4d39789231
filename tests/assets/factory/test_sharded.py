"""A group in shards is, to Dagster, the same asset as in one step."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from headrace.assets.factory.checks import CHECK
from headrace.assets.factory.dimensions import dimension_asset
from headrace.assets.factory.offline import offline_asset
from headrace.assets.factory.sources import source_asset
from headrace.contract.clock import Clock
from headrace.contract.environment import Environment
from headrace.resources.deployments import Deployment
from headrace.resources.offline.staging import Staging
from headrace.tests.assets.shards.sales import DAYS, SalesWorld, sales

SOME = sales(*((day, f"c{n % 12}", 1, 1 + n % 3, 1.5) for day in DAYS for n in range(30)))
SPEND = dg.AssetKey(["offline", "customer_spend"])


class Runs:
    """A world as assets, on an instance of its own."""

    def __init__(self, world: SalesWorld, instance: dg.DagsterInstance, *, in_shards: bool) -> None:
        environment = Environment.read({"HEADRACE_HOME": str(world.folder)})
        self.world, self.instance = world, instance
        self.deployment = Deployment(environment, world.store)
        self.definitions = dg.Definitions(
            assets=[
                source_asset(world.source, Clock()),
                dimension_asset(world.shops),
                dimension_asset(world.members),
                *(offline_asset(group, Clock(), in_shards=in_shards) for group in world.groups),
            ],
            executor=dg.in_process_executor,
            resources={"deployment": self.deployment},
        )

    def run(self) -> dg.ExecuteInProcessResult:
        """Compute the group's partitions in one run."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        bounds = {ASSET_PARTITION_RANGE_START_TAG: DAYS[0], ASSET_PARTITION_RANGE_END_TAG: DAYS[-1]}
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[SPEND],
            tags=bounds,
            raise_on_error=False,
        )

    def records(self) -> list[tuple[str | None, str | None, set[str]]]:
        """Of each materialization: partition, data version, and what its metadata tells."""
        found = self.instance.fetch_materializations(SPEND, limit=100, ascending=True).records
        events = [record.asset_materialization for record in found]
        return [
            (event.partition, (event.tags or {})["dagster/data_version"], set(event.metadata))
            for event in events
            if event is not None
        ]

    def checks(self) -> dict[str | None, tuple[str, bool]]:
        """The newest evaluation of each partition: its status, and whether it is current."""
        found = self.instance.event_log_storage.get_asset_check_partition_info(
            [dg.AssetCheckKey(SPEND, CHECK)]
        )
        return {
            each.partition_key: (each.latest_execution_status.value, each.is_current)
            for each in found
        }


@contextmanager
def runs_of(folder: Path, *, in_shards: bool = True) -> Iterator[Runs]:
    world = SalesWorld(folder, SOME, 3)
    world.read_inputs()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runs(world, instance, in_shards=in_shards)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with runs_of(tmp_path) as made:
        yield made


def test_dagster_sees_the_same_asset_either_way(tmp_path: Path) -> None:
    seen = []
    for in_shards in (False, True):
        with runs_of(tmp_path / str(in_shards), in_shards=in_shards) as runs:
            node = runs.definitions.resolve_asset_graph().get(SPEND)
            spec = node.assets_def.get_asset_spec(SPEND)
            seen.append(
                (
                    {dep.asset_key: dep.partition_mapping for dep in spec.deps},
                    node.partitions_def,
                    node.backfill_policy,
                    node.check_keys,
                    spec.automation_condition,
                    spec.freshness_policy,
                    spec.metadata,
                    list(spec.owners),
                    spec.tags,
                    (spec.code_version, spec.description, spec.group_name, node.pools),
                )
            )

    assert seen[0] == seen[1]


def test_a_run_records_each_partition_as_one_step_would(tmp_path: Path) -> None:
    seen = []
    for in_shards in (False, True):
        with runs_of(tmp_path / str(in_shards), in_shards=in_shards) as runs:
            result = runs.run()
            assert result.success
            seen.append((runs.records(), runs.checks()))

    assert seen[0] == seen[1]
    assert seen[1][1] == dict.fromkeys(DAYS, ("SUCCEEDED", True))
    assert {event.step_key for event in result.all_events if event.is_step_start} == {
        f"offline__customer_spend.{name}"
        for name in ("plan", "shard_0", "shard_1", "shard_2", "commit")
    }


def test_a_refused_partition_fails_the_run_and_names_itself(runs: Runs) -> None:
    def refuse(frame: pl.DataFrame) -> None:
        if str(frame["sold_at"].max()) > DAYS[1] and "c1" in frame["customer"]:
            raise ZeroDivisionError

    runs.world.raises = refuse

    result = runs.run()

    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_key == "offline__customer_spend.commit"
    assert "2 of 3 partitions were not committed" in str(failed.event_specific_data)
    assert [partition for partition, *_ in runs.records()] == [DAYS[0]]


def test_staging_is_empty_after_a_run(runs: Runs) -> None:
    assert runs.run().success

    assert not list((runs.world.folder / "staging").rglob("*.json"))


def test_the_next_attempt_removes_what_a_dead_run_left(runs: Runs) -> None:
    dead = Staging(runs.world.store, runs.world.spend.table, runs.run().run_id)
    dead.write_plan({})

    assert runs.run().success

    assert dead.plan() is None


def test_what_a_run_of_another_instance_staged_is_left_alone(runs: Runs) -> None:
    theirs = Staging(runs.world.store, runs.world.spend.table, str(uuid.uuid4()))
    theirs.write_plan({"of": "another installation on the same tables"})

    assert runs.run().success

    assert theirs.plan() is not None
