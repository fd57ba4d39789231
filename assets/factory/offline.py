"""`offline/<group>`: features, computed from pinned inputs, judged, and only then committed."""

import dagster as dg

from ...contract.clock import Clock
from ...contract.partitions import Partitioning
from ..declarations import AnyInput, Dimension, FeatureGroup, Input
from ..pinned_inputs import asset_path, upstream_of
from .automation import when_inputs_change
from .committed import Committed, committed_asset
from .lineage import lineage_of
from .partitions import is_same_partition, partitions_definition, window_mapping
from .sharded import sharded_asset


def offline_asset(
    group: FeatureGroup, clock: Clock, *, in_shards: bool = False
) -> dg.AssetsDefinition:
    """The asset of a feature group's Delta table; in one step, or in its shards if it has some."""
    committed = _committed(group, clock)
    if in_shards and group.shards > 1:
        return sharded_asset(committed, group)
    return committed_asset(committed)


def _committed(group: FeatureGroup, clock: Clock) -> Committed:
    return Committed(
        declared=group,
        key=dg.AssetKey(group.offline_path),
        schema=group.schema,
        group_name=group.entity.name,
        owners=group.spec.owners,
        description=group.spec.description,
        tags=dict(group.spec.tags),
        partitions=partitions_definition(group, clock),
        deps=[_dependency(each, group.partitions) for each in group.inputs],
        # Measures the time since a run, whichever partition it computed: not the data's age.
        freshness=dg.FreshnessPolicy.time_window(fail_window=group.freshness),
        automation=_automation(group),
        lineage=lambda: lineage_of(group),
        resources=group.resources,
    )


def _dependency(each: AnyInput, partitions: Partitioning) -> dg.AssetDep:
    """The edge from an input to its reader."""
    key = dg.AssetKey(asset_path(upstream_of(each)))
    if isinstance(each, Dimension):
        return dg.AssetDep(key)
    return dg.AssetDep(key, partition_mapping=window_mapping(each.length, partitions))


def _automation(group: FeatureGroup) -> dg.AutomationCondition:
    inputs = [each for each in group.inputs if isinstance(each, Input)]
    together = [
        each
        for each in inputs
        if isinstance(each.upstream, FeatureGroup) and is_same_partition(each, group.partitions)
    ]
    apart = [each for each in inputs if each not in together]
    # Dagster knows windows of whole partitions: it would wait for hours that nobody reads.
    optional = [each for each in apart if each.length and each.length < group.partitions.length]
    return when_inputs_change(
        together=[_key(each) for each in together],
        apart=[_key(each) for each in apart],
        optional=[_key(each) for each in optional],
    )


def _key(each: Input) -> dg.AssetKey:
    return dg.AssetKey(asset_path(each.upstream))
