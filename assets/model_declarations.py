"""Declares what a model reads and is trained on; feature files import this from `authoring`."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from ..contract.errors import DefinitionError
from ..contract.feature_group import FeatureServiceSpec
from ..contract.partitions import DAILY, Partitioning
from . import declared_times, validation
from .code_version import code_version
from .declarations import AnyInput, Feature, FeatureGroup
from .inputs import checked_features, checked_inputs, complete_start_of, in_words
from .model_inputs import FeatureService, TrainingSet
from .pod_resources import checked_resources
from .training.spine import spine_columns
from .transforms import Transform

_NOTHING: Mapping[str, str] = MappingProxyType({})


def feature_service(
    name: str,
    *,
    features: Iterable[Feature | FeatureGroup],
    owners: Sequence[str],
    version: int = 1,
    description: str = "",
) -> FeatureService:
    """Declare what one model reads, in this order; a whole group means its features of today."""
    subject = f"feature service {name!r}"
    validation.check_name(subject, name)
    validation.check_version(subject, version)
    listed = checked_features(subject, features)
    return FeatureService(
        spec=FeatureServiceSpec(
            name=name,
            version=version,
            features=tuple(str(each.reference) for each in listed),
            owners=validation.checked_owners(subject, owners),
            description=description,
        ),
        features=listed,
    )


def training_set(
    *,
    service: FeatureService,
    sources: Iterable[AnyInput],
    owners: Sequence[str],
    partitions: Partitioning = DAILY,
    tags: Mapping[str, str] = _NOTHING,
    resources: Mapping[str, str] = _NOTHING,
) -> Callable[[Transform], TrainingSet]:
    """Declare the decorated function, frames and `end` to a spine, as a training set of its name.

    The spine holds join keys, `event_timestamp` (at or before `end`) and labels. Partitions begin
    where all windows are complete: a label over history that is not there would be wrong.
    """

    def declare(function: Transform) -> TrainingSet:
        name, subject = validation.checked_name("training set", function)
        declared_times.check_partitions(subject, partitions)
        if not isinstance(service, FeatureService):
            raise DefinitionError(
                subject=subject,
                field="service",
                problem=f"{service!r} is no feature service",
                remedy="Pass what feature_service(…) made",
            )
        inputs = checked_inputs(subject, sources, partitions)
        validation.check_parameters(subject, function, (each.name for each in inputs), ("end",))
        start = complete_start_of(inputs, partitions)
        return TrainingSet(
            name=name,
            function=function,
            service=service,
            inputs=inputs,
            start=start,
            partitions=partitions,
            spine=spine_columns(
                subject, function, inputs, service=service, end=start + partitions.length
            ),
            owners=validation.checked_owners(subject, owners),
            description=inspect.getdoc(function) or "",
            tags=validation.checked_tags(subject, tags),
            resources=checked_resources(subject, resources),
            code_version=code_version(function, (*in_words(inputs), *service.spec.features)),
        )

    return declare
