"""`training_sets/<name>`: labels with the features that were known at their times."""

from datetime import timedelta

import dagster as dg

from ...contract.clock import Clock
from ..declarations import Dimension, FeatureGroup, Input, Source
from ..model_inputs import TrainingSet
from ..pinned_inputs import asset_path
from .committed import Committed, committed_asset
from .lineage import lineage_of
from .partitions import partitions_definition, window_mapping


def training_set_asset(training_set: TrainingSet, clock: Clock) -> dg.AssetsDefinition:
    """The asset of a training set.

    Nothing requests it by itself: each partition is a deliberate record of what was known, with a
    receipt, and late data would rewrite weeks of them.
    """
    return committed_asset(
        Committed(
            declared=training_set,
            key=dg.AssetKey(training_set.asset_path),
            schema=None,
            group_name="training_sets",
            owners=training_set.owners,
            description=training_set.description,
            tags=dict(training_set.tags),
            partitions=partitions_definition(training_set, clock),
            deps=_dependencies(training_set),
            lineage=lambda: lineage_of(training_set),
            resources=training_set.resources,
        )
    )


def _dependencies(training_set: TrainingSet) -> list[dg.AssetDep]:
    """The inputs of the spine, and the groups of the service; some may be both."""
    reach = {each.upstream: _reach(each, training_set) for each in _inputs(training_set)}
    ahead = max(reach.values())
    for feature in training_set.service.features:
        back = ahead + (feature.group.spec.ttl or timedelta(0))
        reach[feature.group] = max(back, reach.get(feature.group, back))
    dimensions = [each for each in training_set.inputs if isinstance(each, Dimension)]
    return [
        *(dg.AssetDep(dg.AssetKey(each.asset_path)) for each in dimensions),
        *(_window(upstream, back, training_set) for upstream, back in reach.items()),
    ]


def _inputs(training_set: TrainingSet) -> list[Input]:
    return [each for each in training_set.inputs if isinstance(each, Input)]


def _reach(each: Input, training_set: TrainingSet) -> timedelta:
    return training_set.partitions.length if each.length is None else each.length


def _window(
    upstream: Source | FeatureGroup, back: timedelta, training_set: TrainingSet
) -> dg.AssetDep:
    """The partitions that may hold what is known at the spine's times: back to the TTL before them.

    A spine lies as far before the end of its partition as labels look ahead, at most. Without a TTL
    every earlier partition may matter; Dagster is shown those of the labels' window alone.
    """
    return dg.AssetDep(
        dg.AssetKey(asset_path(upstream)),
        partition_mapping=window_mapping(back, training_set.partitions),
    )
