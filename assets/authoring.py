"""All that a feature file imports.

A declaration is checked where it is written: a wrong one raises `DefinitionError` at import, which
names the group, the field and the remedy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal

from ..contract.feature_group import FeatureGroupSpec, Online
from ..contract.partitions import DAILY, HOURLY, Partitioning
from . import declared_times, validation
from .code_version import code_version
from .declarations import AnyInput, Dimension, Entity, FeatureGroup, Input, Source, Upstream
from .inputs import (
    checked_entity,
    checked_input,
    checked_inputs,
    checked_length,
    in_words,
    lateness_of,
    start_of,
)
from .landing import checked_landing
from .model_declarations import feature_service, training_set
from .pod_resources import checked_resources
from .rules import schema_in_words
from .schemas import (
    EventTimestamp,
    Schema,
    check_event_timestamp,
    columns_of,
    description_of,
    feature_specs,
    schema_columns,
)
from .shards.sharding import checked_shards
from .transforms import DimensionReader, Reader, Transform

__all__ = [
    "DAILY",
    "HOURLY",
    "Entity",
    "EventTimestamp",
    "dimension",
    "feature_group",
    "feature_service",
    "same_partition",
    "source",
    "trailing",
    "training_set",
]

_NOTHING: Mapping[str, str] = MappingProxyType({})


def trailing(upstream: Upstream, *, days: int = 0, hours: int = 0) -> Input:
    """The partitions of a source or group that lie in the time before the partition's end."""
    return checked_input(upstream, checked_length(upstream, days, hours))


def same_partition(upstream: Upstream) -> Input:
    """The partitions of a source or group that lie in the partition itself."""
    return checked_input(upstream, None)


def source(
    *,
    schema: Schema,
    event_timestamp: str,
    start: str | date,
    owners: Sequence[str],
    partitions: Partitioning = DAILY,
    lateness: timedelta = timedelta(0),
    landing: str | None = None,
    late_within: timedelta | None = None,
    tags: Mapping[str, str] = _NOTHING,
    resources: Mapping[str, str] = _NOTHING,
) -> Callable[[Reader], Source]:
    """Declare the decorated reader, `(start, end) -> rows`, as a source named like the function.

    Args:
        schema: What a raw row looks like.
        event_timestamp: The column that says when a row happened, an `EventTimestamp`.
        start: Where the history begins, UTC, at the start of a partition.
        owners: `team:name` or e-mail addresses.
        partitions: How its time is cut.
        lateness: How long after a partition's end its rows may still arrive in normal operation.
        landing: Where its files arrive, as `/data/orders/{partition}/*.csv` (see `Landing`): a
            partition is read when they do, and again when they change, rather than by the clock.
        late_within: How long after its end a partition that was read is compared with what its
            reader gives, so that late and corrected rows are found; by default it is not.
        tags: What else to show beside it.
        resources: What its steps ask of Kubernetes, as {"cpu": "2", "memory": "8Gi"}.
    """

    def declare(reader: Reader) -> Source:
        name, subject = validation.checked_name("source", reader)
        declared_times.check_partitions(subject, partitions)
        declared_times.check_lateness(subject, lateness)
        declared_times.check_late_within(
            subject, late_within, lateness + partitions.length, landing
        )
        begin = declared_times.checked_start(subject, start, partitions)
        columns = schema_columns(subject, schema)
        check_event_timestamp(subject, schema, columns, event_timestamp)
        validation.check_parameters(subject, reader, ("start", "end"), ())
        return Source(
            name=name,
            reader=reader,
            schema=schema,
            columns=columns_of(columns),
            event_timestamp=event_timestamp,
            start=begin,
            partitions=partitions,
            lateness=lateness,
            landing=checked_landing(subject, landing, partitions, begin),
            late_within=late_within,
            owners=validation.checked_owners(subject, owners),
            description=description_of(reader, schema),
            tags=validation.checked_tags(subject, tags),
            resources=checked_resources(subject, resources),
            code_version=code_version(reader, schema_in_words(columns)),
        )

    return declare


def dimension(
    *, schema: Schema, owners: Sequence[str], tags: Mapping[str, str] = _NOTHING
) -> Callable[[DimensionReader], Dimension]:
    """Declare the decorated reader, `() -> rows`, as a dimension named like the function."""

    def declare(reader: DimensionReader) -> Dimension:
        name, subject = validation.checked_name("dimension", reader)
        columns = schema_columns(subject, schema)
        validation.check_parameters(subject, reader, (), ())
        return Dimension(
            name=name,
            reader=reader,
            schema=schema,
            columns=columns_of(columns),
            owners=validation.checked_owners(subject, owners),
            description=description_of(reader, schema),
            tags=validation.checked_tags(subject, tags),
            code_version=code_version(reader, schema_in_words(columns)),
        )

    return declare


def feature_group(
    *,
    entity: Entity,
    schema: Schema,
    sources: Iterable[AnyInput],
    ttl: timedelta | None,
    owners: Sequence[str],
    partitions: Partitioning = DAILY,
    online: Literal["snapshot", "upsert"] | None = "snapshot",
    version: int = 1,
    freshness: timedelta | None = None,
    buckets: int = 1,
    tags: Mapping[str, str] = _NOTHING,
    status: str = "active",
    resources: Mapping[str, str] = _NOTHING,
    shards: int = 1,
    approval: bool = False,
) -> Callable[[Transform], FeatureGroup]:
    """Declare the decorated function, frames and `end` to rows, as a feature group of its name.

    Args:
        entity: Whom the features describe.
        schema: The rows: join keys and features; for `online="upsert"` the `event_timestamp`, too.
        sources: What the function's parameters mean, by name.
        ttl: The greatest age at which a value is still known; `None` for ever.
        owners: `team:name` or e-mail addresses.
        partitions: How its time is cut.
        online: What a partition says: `"snapshot"`, the whole truth at its end; `"upsert"`, what
            happened in it; `None`, a snapshot that is never published.
        version: Counts up when readers could not follow a change.
        freshness: The age at which the group is overdue; by default a partition plus its lateness.
        buckets: How many files by entity a partition has; fixed for the life of a version.
        tags: What else to show beside it.
        status: `"experimental"`, `"active"` or `"deprecated"`.
        resources: What its steps ask of Kubernetes, as {"cpu": "2", "memory": "8Gi"}.
        shards: How many pods compute a partition together, each some of its buckets; for functions
            that make an entity's rows from that entity's rows alone.
        approval: Hold what is computed until somebody approves it (`headrace approve`).
    """

    def declare(function: Transform) -> FeatureGroup:
        name, subject = validation.checked_name("feature group", function)
        declared_times.check_partitions(subject, partitions)
        validation.check_version(subject, version)
        declared_times.check_ttl(subject, ttl)
        validation.check_keywords(subject, buckets=buckets, status=status, approval=approval)
        inputs = checked_inputs(subject, sources, partitions)
        validation.check_parameters(subject, function, (each.name for each in inputs), ("end",))
        columns = schema_columns(subject, schema)
        semantics = validation.checked_online(subject, online)
        spec = FeatureGroupSpec(
            name=name,
            version=version,
            entity=checked_entity(subject, entity).spec,
            features=feature_specs(
                subject, schema, columns, entity=entity.spec, is_upsert=semantics is Online.UPSERT
            ),
            ttl=ttl,
            online=semantics,
            owners=validation.checked_owners(subject, owners),
            partitions=partitions.name,
            description=description_of(function, schema),
            status=status,
            tags=validation.checked_tags(subject, tags),
        )
        lateness = lateness_of(inputs)
        return FeatureGroup(
            spec=spec,
            function=function,
            entity=entity,
            schema=schema,
            inputs=inputs,
            start=start_of(inputs, partitions),
            partitions=partitions,
            freshness=declared_times.checked_freshness(subject, freshness, partitions, lateness),
            lateness=lateness,
            buckets=buckets,
            resources=checked_resources(subject, resources),
            shards=checked_shards(subject, shards, buckets=buckets, entity=entity, inputs=inputs),
            code_version=code_version(function, (*schema_in_words(columns), *in_words(inputs))),
            approval=approval,
        )

    return declare
