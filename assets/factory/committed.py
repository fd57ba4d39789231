"""What all assets have in common whose rows are judged and committed to the offline store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from ...resources.deployments import Deployment
from ..declarations import Dimension, FeatureGroup, Source, Tags
from ..model_inputs import TrainingSet
from ..schemas import Schema
from .approval_check import approval_specs
from .checks import check_spec
from .code_references import code_reference
from .metadata import Metadata, table_metadata
from .partitions import backfills_in_chunks
from .pods import op_tags
from .standing_checks import offline_specs
from .steps import Event, materialize_partitions
from .tracing import traced


def no_lineage() -> Metadata:
    """The lineage of what comes from outside."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """How a declaration appears in Dagster.

    Attributes:
        schema: What its rows are judged by; `None` when its columns alone are checked.
        lineage: Derives column lineage; called at materialization, never when definitions load.
    """

    declared: Source | Dimension | FeatureGroup | TrainingSet
    key: dg.AssetKey
    schema: Schema | None
    group_name: str
    owners: Sequence[str]
    description: str
    tags: Mapping[str, str]
    partitions: dg.PartitionsDefinition | None = None
    deps: Sequence[dg.AssetDep] = ()
    freshness: dg.FreshnessPolicy | None = None
    automation: dg.AutomationCondition | None = None
    lineage: Callable[[], Metadata] = field(default=no_lineage)
    resources: Tags = ()

    @property
    def constant(self) -> Metadata:
        """What is said of the asset, and of each of its partitions."""
        return table_metadata(self.declared.table, self.schema)

    @property
    def checks(self) -> Sequence[dg.AssetCheckSpec]:
        """The checks that it makes before it commits."""
        return [
            check_spec(self.key, self.partitions, self.schema),
            *approval_specs(self.declared, self.key, self.partitions),
            *(offline_specs(self.key) if isinstance(self.declared, FeatureGroup) else ()),
        ]

    @property
    def code(self) -> Callable[..., Any]:
        """What its author wrote."""
        if isinstance(self.declared, Source | Dimension):
            return self.declared.reader
        return self.declared.function


def committed_asset(each: Committed) -> dg.AssetsDefinition:
    """One asset with its blocking check, that computes any number of partitions in one run."""
    constant = each.constant

    @dg.asset(
        key=each.key,
        deps=each.deps,
        partitions_def=each.partitions,
        backfill_policy=None if each.partitions is None else backfills_in_chunks(),
        check_specs=each.checks,
        output_required=False,
        automation_condition=each.automation,
        code_version=each.declared.code_version,
        description=each.description,
        freshness_policy=each.freshness,
        group_name=each.group_name,
        kinds={"delta", "polars"},
        metadata={**constant, **code_reference(each.code)},
        op_tags=op_tags(each.resources),
        owners=each.owners,
        pool="/".join(each.key.path),  # one writer per table
        tags=dict(each.tags),
    )
    def commit(
        context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
    ) -> Iterator[Event]:
        metadata = {**constant, **each.lineage()}
        yield from traced(
            context, materialize_partitions(context, each.declared, deployment, metadata)
        )

    return commit
