"""Column lineage of what is computed, as Dagster's metadata."""

import dagster as dg

from ..declarations import FeatureGroup
from ..lineage import ColumnLineage, InputColumn, Lineage, derive_lineage
from ..model_inputs import TrainingSet
from ..pinned_inputs import asset_path, upstream_of
from .metadata import Metadata, lineage_metadata


def lineage_of(declared: FeatureGroup | TrainingSet) -> Metadata:
    """The lineage of all columns; that it cannot be derived is said, and stops nothing."""
    assets = {each.name: dg.AssetKey(asset_path(upstream_of(each))) for each in declared.inputs}
    try:
        lineage = _of_function(declared)
    except Exception as error:  # noqa: BLE001 - the function is its author's; lineage is a courtesy
        return {"lineage": dg.MetadataValue.text(f"could not be derived: {error}")}
    if isinstance(declared, TrainingSet):
        features = declared.service.features
        assets |= {each.group.name: dg.AssetKey(each.group.offline_path) for each in features}
        lineage = {**lineage, **_of_features(declared)}
    return lineage_metadata(lineage, assets)


def _of_function(declared: FeatureGroup | TrainingSet) -> Lineage:
    end = declared.start + declared.partitions.length
    return derive_lineage(
        lambda frames: declared(end=end, **frames),
        {each.name: upstream_of(each).table.schema for each in declared.inputs},
    )


def _of_features(training_set: TrainingSet) -> Lineage:
    """A training set's features come unchanged from their groups; the spine decides its rows."""
    return {
        feature.column: ColumnLineage((InputColumn(feature.group.name, feature.spec.name),), ())
        for feature in training_set.service.features
    }
