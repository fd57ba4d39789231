"""The made-up world as Dagster assets, run in process on an ephemeral instance."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import redis
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from headrace.assets.factory.asset_graph import build_assets
from headrace.assets.factory.checks import CHECK
from headrace.assets.publishing import unpublished
from headrace.resources.online.verification import verify_group
from headrace.sensors.automation import automation_sensor
from headrace.tests.assets.visits import DAYS, World, make_world

WEEK, ONLINE_WEEK = "offline/visitor_week", "online/visitor_week"


@dataclass
class Graph:
    """A world, its definitions, and the instance that remembers what ran."""

    world: World
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    def run(
        self,
        *assets: str,
        first: str = DAYS[0],
        last: str = DAYS[-1],
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize a range of partitions in one run."""
        bounds = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        return self._execute(assets, {**bounds, **(tags or {})})

    def run_one(self, *assets: str, partition: str | None) -> dg.ExecuteInProcessResult:
        """Materialize one partition, or an asset without partitions."""
        return self._execute(assets, {}, partition)

    def read_inputs(self, first: str = DAYS[0], last: str = DAYS[-1]) -> None:
        """Materialize the source and the dimension."""
        assert self.run("sources/visits", first=first, last=last).success
        assert self.run_one("dimensions/pages", partition=None).success

    def records(self, asset: str) -> list[tuple[str | None, str | None, bool]]:
        """The materializations of an asset, oldest first: partition, data version, no-op."""
        found = self.instance.fetch_materializations(
            _key(asset), limit=1000, ascending=True
        ).records
        events = [record.asset_materialization for record in found]
        return [
            (
                event.partition,
                (event.tags or {}).get("dagster/data_version"),
                bool("no_op" in event.metadata and event.metadata["no_op"].value),
            )
            for event in events
            if event is not None
        ]

    def checks(self, asset: str, name: str = CHECK) -> dict[str | None, tuple[str, bool]]:
        """The newest evaluation by partition: its status, and whether Dagster calls it current."""
        check = dg.AssetCheckKey(_key(asset), name)
        found = self.instance.event_log_storage.get_asset_check_partition_info([check])
        return {
            each.partition_key: (each.latest_execution_status.value, each.is_current)
            for each in found
        }

    def evaluate_automation(
        self, after: dg.EvaluateAutomationConditionsResult | None = None
    ) -> dg.EvaluateAutomationConditionsResult:
        """What the conditions of all assets ask for, since an earlier evaluation."""
        return dg.evaluate_automation_conditions(
            defs=self.definitions,
            instance=self.instance,
            cursor=None if after is None else after.cursor,
        )

    def unpublished(self, group: str) -> Sequence[str]:
        """The partitions of a group that wait to be published."""
        declared = self.world.declarations.group(group)
        with self.world.deployment.publishing() as publishing:
            return unpublished([declared], self.world.deployment, publishing).get(declared, [])

    def verify(self, group: str) -> tuple[int, list[object]]:
        """How many keys of a group are served as committed, and what differs."""
        spec = self.world.declarations.group(group)
        table = self.world.deployment.offline.table(spec.table)
        with self.world.deployment.publishing() as publishing:
            found = verify_group(spec.spec, table, publishing.online, publishing.registry)
        return found.equal, list(found.differences)

    def flush(self) -> None:
        """Empty the online store."""
        assert self.world.environment.redis is not None
        with redis.Redis.from_url(self.world.environment.redis) as client:
            client.flushall()

    def _execute(
        self, assets: tuple[str, ...], tags: Mapping[str, str], partition: str | None = None
    ) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[_key(asset) for asset in assets],
            partition_key=partition,
            tags=dict(tags),
            raise_on_error=False,
        )


def as_it_is(_world: World) -> None:
    """Change nothing."""


@contextmanager
def graph_of(
    home: Path,
    redis_url: str = "redis://127.0.0.1:1",
    *,
    change: Callable[[World], None] = as_it_is,
) -> Iterator[Graph]:
    """A fresh world as assets, after a change of its declarations."""
    world = make_world(home, redis_url)
    change(world)
    clock = world.environment.clock()
    definitions = dg.Definitions(
        assets=build_assets(world.declarations, clock),
        executor=dg.in_process_executor,
        resources={"deployment": world.deployment},
        sensors=[automation_sensor()],
    )
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(world, instance, definitions)


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step said."""
    (event,) = [
        each for each in result.all_events if each.event_type is dg.DagsterEventType.STEP_FAILURE
    ]
    error = event.step_failure_data.error
    assert error is not None
    return error.cause.message if error.cause else error.message


def _key(asset: str) -> dg.AssetKey:
    return dg.AssetKey(asset.split("/"))
