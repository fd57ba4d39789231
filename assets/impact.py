"""What a column feeds: the features, training sets and feature services that it touches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .column_graph import Column, ColumnGraph, Reach, Touch, table_asset
from .declarations import Feature, FeatureGroup
from .discovery import Declarations
from .model_inputs import FeatureService, TrainingSet


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change of a column would touch, at any distance.

    Attributes:
        features: Features of groups.
        training_sets: Their columns that are touched, by name; features and what the spine holds.
        services: Those of their features that are touched.
    """

    column: Column
    features: Mapping[Feature, Reach]
    training_sets: Mapping[TrainingSet, Mapping[str, Reach]]
    services: Mapping[FeatureService, Mapping[Feature, Reach]]


def impact(graph: ColumnGraph, declarations: Declarations, column: Column) -> Impact:
    """What a column touches; a feature that is asked for is in its services itself."""
    touched = graph.touched_by(column)
    reached = {column: Reach(Touch.DIRECT, (column,)), **touched}
    features = {
        feature: touched[at]
        for group in declarations.groups.values()
        for feature in group.features
        if (at := _column(feature)) in touched
    }
    training_sets = {
        each: {at.name: reach for at, reach in touched.items() if at.asset == table_asset(each)}
        for each in declarations.training_sets.values()
    }
    services = {
        service: {
            feature: reached[at]
            for feature in service.features
            if (at := _column(feature)) in reached
        }
        for service in declarations.services.values()
    }
    return Impact(
        column=column,
        features=features,
        training_sets={each: found for each, found in training_sets.items() if found},
        services={each: found for each, found in services.items() if found},
    )


def closest(reaches: Iterable[Reach]) -> Touch:
    """How the closest of them is reached; there is at least one."""
    order = list(Touch)
    return min((reach.touch for reach in reaches), key=order.index)


def _column(feature: Feature) -> Column:
    return Column(table_asset(feature.group), feature.spec.name)


def owners_of(declared: FeatureGroup | TrainingSet | FeatureService) -> tuple[str, ...]:
    """Whom to tell."""
    return declared.owners if isinstance(declared, TrainingSet) else declared.spec.owners
