"""What declarations that a declaration names must be, and what follows from them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ..contract.errors import DefinitionError
from ..contract.partitions import Partitioning
from .declarations import AnyInput, Dimension, Entity, Feature, FeatureGroup, Input, Source
from .partitions import first_partition_start


def checked_inputs(
    subject: str, sources: Iterable[AnyInput], partitions: Partitioning
) -> tuple[AnyInput, ...]:
    """The inputs: named apart, cut no coarser than the group, at least one of them partitioned."""
    inputs = tuple(sources) if isinstance(sources, Iterable) else (sources,)
    names: set[str] = set()
    for each in inputs:
        _check_kind(subject, each)
        if each.name in names:
            raise DefinitionError(
                subject=subject,
                field="sources",
                problem=f"{each.name!r} is named twice",
                remedy="Take the longest window once, and filter inside the function",
            )
        names.add(each.name)
        if isinstance(each, Input):
            _check_window(subject, each, partitions)
    if not any(isinstance(each, Input) for each in inputs):
        raise DefinitionError(
            subject=subject,
            field="sources",
            problem="nothing in it has partitions",
            remedy="Add trailing(…) or same_partition(…) of a source or of another group",
        )
    return inputs


def _check_kind(subject: str, each: object) -> None:
    if isinstance(each, (Source, FeatureGroup)):
        raise DefinitionError(
            subject=subject,
            field="sources",
            problem=f"it does not say how much of {each.name!r} is seen",
            remedy=f"Write trailing({each.name}, days=…) or same_partition({each.name})",
        )
    if not isinstance(each, (Input, Dimension)):
        raise DefinitionError(
            subject=subject,
            field="sources",
            problem=f"{each!r} is no declared source, dimension or feature group",
            remedy="Import what @source, @dimension or @feature_group made, and pass that",
        )


def _check_window(subject: str, each: Input, partitions: Partitioning) -> None:
    field, grain = f"source {each.name!r}", each.upstream.partitions
    if grain.length > partitions.length:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"it is {grain.name}, coarser than the {partitions.name} partitions here",
            remedy=f"Declare partitions={grain.name}, or a finer source",
        )
    if each.length is not None and each.length % grain.length:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"a window of {each.length} is no multiple of its {grain.name} partitions",
            remedy="A window takes whole partitions: change its length, or use a finer source",
        )


def checked_input(upstream: object, length: timedelta | None) -> Input:
    """An input of this length, `None` for the partition itself."""
    if not isinstance(upstream, (Source, FeatureGroup)):
        named = upstream.name if isinstance(upstream, Dimension) else upstream
        remedy = (
            "Pass it by itself: a dimension has no partitions"
            if isinstance(upstream, Dimension)
            else "Import what @source or @feature_group made, and pass that"
        )
        raise DefinitionError(
            subject=f"window of {named!r}",
            field="sources",
            problem="it is no declared source or feature group",
            remedy=remedy,
        )
    if length is not None and length <= timedelta(0):
        raise DefinitionError(
            subject=f"window of {upstream.name!r}",
            field="days, hours",
            problem=f"{length} is no positive length",
            remedy="Write trailing(x, days=30) or trailing(x, hours=6)",
        )
    return Input(upstream, length)


def checked_length(upstream: object, days: int, hours: int) -> timedelta:
    """The length of a window."""
    try:
        return timedelta(days=days, hours=hours)
    except (TypeError, ValueError, OverflowError) as error:
        raise DefinitionError(
            subject=f"window of {getattr(upstream, 'name', upstream)!r}",
            field="days, hours",
            problem=f"{days!r} days and {hours!r} hours are no length",
            remedy="Write trailing(x, days=30) or trailing(x, hours=6)",
        ) from error


def checked_entity(subject: str, entity: Entity) -> Entity:
    """The entity, if it is one."""
    if not isinstance(entity, Entity):
        raise DefinitionError(
            subject=subject,
            field="entity",
            problem=f"{entity!r} is no entity",
            remedy="Pass what Entity(…) made",
        )
    return entity


def checked_features(
    subject: str, features: Iterable[Feature | FeatureGroup]
) -> tuple[Feature, ...]:
    """The features, each once; a group stands for all of its features."""
    listed: dict[str, Feature] = {}
    for each in features:
        if not isinstance(each, (Feature, FeatureGroup)):
            raise DefinitionError(
                subject=subject,
                field="features",
                problem=f"{each!r} is no feature",
                remedy='Pass groups and features of groups, as household_spend["spend_30d"]',
            )
        for feature in each.features if isinstance(each, FeatureGroup) else (each,):
            if listed.setdefault(feature.column, feature) is not feature:
                raise DefinitionError(
                    subject=subject,
                    field="features",
                    problem=f"{feature.reference} is named twice",
                    remedy="Name each feature once",
                )
    if not listed:
        raise DefinitionError(
            subject=subject, field="features", problem="there are none", remedy="Name at least one"
        )
    return tuple(listed.values())


def start_of(inputs: Iterable[AnyInput], partitions: Partitioning) -> datetime:
    """The first start of a partition at which every input has begun."""
    begun = max(each.upstream.start for each in inputs if isinstance(each, Input))
    return first_partition_start(begun, partitions)


def complete_start_of(inputs: Iterable[AnyInput], partitions: Partitioning) -> datetime:
    """The start of the first partition whose windows reach back no further than histories do."""
    begun = max(
        each.upstream.start + (each.length or partitions.length) - partitions.length
        for each in inputs
        if isinstance(each, Input)
    )
    return max(first_partition_start(begun, partitions), start_of(inputs, partitions))


def lateness_of(inputs: Iterable[AnyInput]) -> timedelta:
    """How long after a partition's end the latest of the inputs may still arrive."""
    return max(each.upstream.lateness for each in inputs if isinstance(each, Input))


def in_words(inputs: Iterable[AnyInput]) -> tuple[str, ...]:
    """What a code version has to know about the inputs."""
    return tuple(
        f"{each.name}@{getattr(each.upstream, 'version', 1)} {each.length}"
        if isinstance(each, Input)
        else each.name
        for each in inputs
    )
