"""The column lineage of what is declared, without anything having been computed."""

from collections.abc import Iterable
from dataclasses import replace

from ..resources.offline.table_spec import EVENT_TIMESTAMP
from .declarations import FeatureGroup
from .lineage import ColumnLineage, Lineage, derive_lineage
from .model_inputs import TrainingSet
from .pinned_inputs import asset_name, upstream_of
from .plan import InputColumn


def declared_lineage(declared: FeatureGroup | TrainingSet) -> Lineage:
    """The lineage of all columns; an input bears the name of its asset (`sources/transactions`).

    Raises:
        Exception: The function fails on empty frames, with whatever it raises.
    """
    assets = {each.name: asset_name(upstream_of(each)) for each in declared.inputs}
    end = declared.start + declared.partitions.length
    found = derive_lineage(
        lambda frames: declared(end=end, **frames),
        {each.name: upstream_of(each).table.schema for each in declared.inputs},
    )
    lineage = {
        output: replace(
            each, direct=_of_assets(each.direct, assets), rows=_of_assets(each.rows, assets)
        )
        for output, each in found.items()
    }
    return (
        {**lineage, **_features(declared, lineage)}
        if isinstance(declared, TrainingSet)
        else lineage
    )


def _features(training_set: TrainingSet, spine: Lineage) -> Lineage:
    """A training set's features come unchanged from their groups, for the rows of the spine."""
    deciding = {column for each in spine.values() for column in each.rows}
    features = {}
    for feature in training_set.service.features:
        asked = (*feature.group.spec.entity.key_names, EVENT_TIMESTAMP)
        rows = deciding.union(*(spine[name].direct for name in asked))
        direct = InputColumn(asset_name(feature.group), feature.spec.name)
        features[feature.column] = ColumnLineage((direct,), tuple(sorted(rows)), is_opaque=False)
    return features


def _of_assets(columns: Iterable[InputColumn], assets: dict[str, str]) -> tuple[InputColumn, ...]:
    return tuple(sorted(InputColumn(assets[each.input], each.column) for each in columns))
