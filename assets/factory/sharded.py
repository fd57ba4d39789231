"""An asset that several steps compute together: a plan, a step for each shard, and one commit.

To Dagster it is the same asset as in one step: key, partitions, check, records. Its steps pass
nothing to each other but that they are done: pods share the offline store, and no memory.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.tags import ROOT_RUN_ID_TAG

from ...resources.deployments import Deployment
from ...resources.offline.staging import Staging, attempts, remove_old
from ..declarations import FeatureGroup
from ..shards.computing import commit_shards, compute_shard, plan_shards
from ..shards.sharding import Shard, shards_of
from .code_references import code_reference
from .committed import Committed
from .partitions import backfills_in_chunks
from .pods import op_tags
from .steps import Event, recorded, run_of
from .tracing import traced, traced_step

_Compute = Callable[..., Any]
_DONE = "done"
_FORGOTTEN = timedelta(days=7)  # longer than any run takes


def sharded_asset(each: Committed, group: FeatureGroup) -> dg.AssetsDefinition:
    """The asset of a group whose partitions are computed in shards."""
    steps = _Steps(each, group)
    shards = [steps.shard(shard) for shard in shards_of(group)]
    plan, commit = steps.plan(), steps.commit()
    outputs = ["result", *(check.get_python_identifier() for check in each.checks)]
    graph = dg.GraphDefinition(
        name=each.key.to_python_identifier(),
        node_defs=[plan, *shards, commit],
        dependencies=_dependencies(plan, shards, commit),
        input_mappings=[
            dg.InputMapping(
                graph_input_name=_input(dep),
                mapped_node_name="plan",
                mapped_node_input_name=_input(dep),
            )
            for dep in each.deps
        ],
        output_mappings=[
            dg.OutputMapping(
                graph_output_name=name, mapped_node_name="commit", mapped_node_output_name=name
            )
            for name in outputs
        ],
    )
    asset = dg.AssetsDefinition.from_graph(
        graph,
        keys_by_input_name={_input(dep): dep.asset_key for dep in each.deps},
        keys_by_output_name={"result": each.key},
        partition_mappings={
            _input(dep): dep.partition_mapping
            for dep in each.deps
            if dep.partition_mapping is not None
        },
        partitions_def=each.partitions,
        backfill_policy=backfills_in_chunks(),
        check_specs=each.checks,
    )
    return asset.map_asset_specs(lambda spec: _described(spec, each))


def _described(spec: dg.AssetSpec, each: Committed) -> dg.AssetSpec:
    return spec.replace_attributes(
        automation_condition=each.automation,
        code_version=each.declared.code_version,
        description=each.description,
        freshness_policy=each.freshness,
        group_name=each.group_name,
        kinds={"delta", "polars"},
        metadata={**each.constant, **code_reference(each.code)},
        owners=list(each.owners),
        tags=dict(each.tags),
    )


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of one asset; their names are unique among all, in its graph they are short."""

    each: Committed
    group: FeatureGroup

    def plan(self) -> dg.OpDefinition:
        """Pins the inputs; removes what attempts left that were broken off."""

        def planned(
            context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
        ) -> None:
            with traced_step(context):
                store, staging = deployment.offline, _staging(context, self.group, deployment)
                left = _remove_abandoned(context, self.group, deployment)
                if left:
                    context.log.info("removed what runs left behind: %s", ", ".join(left))
                plan = plan_shards(self.group, list(context.partition_keys), store, staging)
                context.log.info("to compute: %s", ", ".join(plan.due) or "nothing")

        ins = {_input(dep): dg.In(dg.Nothing) for dep in self.each.deps}
        return self._op("plan", planned, ins)

    def shard(self, shard: Shard) -> dg.OpDefinition:
        """Computes some of the buckets."""

        def computed(
            context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
        ) -> None:
            staging = _staging(context, self.group, deployment)
            with traced_step(context):
                for staged in compute_shard(shard, deployment.offline, staging):
                    log = context.log.error if staged.error else context.log.info
                    log("%s: %s", staged.partition, staged.said, exc_info=staged.error)

        return self._op(f"shard_{shard.number}", computed, {_DONE: dg.In(dg.Nothing)})

    def commit(self) -> dg.OpDefinition:
        """Judges and commits what all shards made."""

        def committed(
            context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
        ) -> Iterator[Event]:
            staging = _staging(context, self.group, deployment)
            metadata = {**self.each.constant, **self.each.lineage()}
            outcomes = commit_shards(self.group, run_of(context, deployment), staging)
            try:
                yield from traced(
                    context, recorded(context, self.group, outcomes, deployment, constant=metadata)
                )
            finally:
                staging.remove()

        checks = (check.get_python_identifier() for check in self.each.checks)
        out = {name: dg.Out(dg.Nothing, is_required=False) for name in ("result", *checks)}
        return self._op("commit", committed, {_DONE: dg.In(dg.Nothing)}, out)

    def _op(
        self,
        name: str,
        compute: _Compute,
        ins: Mapping[str, dg.In],
        out: Mapping[str, dg.Out] | None = None,
    ) -> dg.OpDefinition:
        return dg.op(
            name=f"{self.each.key.to_python_identifier()}__{name}",
            ins=dict(ins),
            out=dict(out or {"result": dg.Out(dg.Nothing)}),
            tags=op_tags(self.each.resources),
            pool="/".join(self.each.key.path) if name == "commit" else None,
        )(compute)


def _dependencies(
    plan: dg.OpDefinition, shards: list[dg.OpDefinition], commit: dg.OpDefinition
) -> Mapping[dg.NodeInvocation, Mapping[str, Any]]:
    names = [f"shard_{number}" for number in range(len(shards))]
    done = dg.MultiDependencyDefinition([dg.DependencyDefinition(name) for name in names])
    return {
        dg.NodeInvocation(plan.name, alias="plan"): {},
        **{
            dg.NodeInvocation(shard.name, alias=name): {_DONE: dg.DependencyDefinition("plan")}
            for shard, name in zip(shards, names, strict=True)
        },
        dg.NodeInvocation(commit.name, alias="commit"): {_DONE: done},
    }


def _input(dep: dg.AssetDep) -> str:
    return dep.asset_key.to_python_identifier()


def _staging(
    context: dg.AssetExecutionContext, group: FeatureGroup, deployment: Deployment
) -> Staging:
    """What the steps of a run, and of those that go on with what it began, have in common."""
    attempt = context.run.root_run_id or context.run.run_id
    return Staging(deployment.offline, group.table, attempt)


def _remove_abandoned(
    context: dg.AssetExecutionContext, group: FeatureGroup, deployment: Deployment
) -> list[str]:
    """Remove what runs left that are over; of runs that this instance does not know, old things.

    Another installation with an instance of its own may share the offline store.
    """
    store, table = deployment.offline, group.table
    own = context.run.root_run_id or context.run.run_id
    others = [name for name in attempts(store, table) if name != own]
    over = [name for name in others if _is_over(context.instance, name)]
    for name in over:
        Staging(store, table, name).remove()
    return over + remove_old(store, table, _FORGOTTEN)


def _is_over(instance: dg.DagsterInstance, attempt: str) -> bool:
    """Whether the run that began an attempt, and all that went on with it, have ended."""
    first = instance.get_run_by_id(attempt)
    again = instance.get_runs(dg.RunsFilter(tags={ROOT_RUN_ID_TAG: attempt}))
    return first is not None and all(run.is_finished for run in (first, *again))
