"""Column lineage of what is computed, as Dagster's metadata."""

import dagster as dg

from ..declarations import FeatureGroup
from ..declared_lineage import declared_lineage
from ..model_inputs import TrainingSet
from .metadata import Metadata, lineage_metadata


def lineage_of(declared: FeatureGroup | TrainingSet) -> Metadata:
    """The lineage of all columns; that it cannot be derived is said, and stops nothing."""
    try:
        lineage = declared_lineage(declared)
    except Exception as error:  # noqa: BLE001 - the function is its author's; lineage is a courtesy
        return {"lineage": dg.MetadataValue.text(f"could not be derived: {error}")}
    return lineage_metadata(lineage)
