"""What a team declares: entities, sources, dimensions, feature groups; `model_inputs` has the rest.

Values alone, checked by those who make them (`authoring`). The factory, the command line and
training read them; nothing here stores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

import polars as pl

from ..contract.errors import UnknownNameError
from ..contract.feature_group import (
    EntitySpec,
    FeatureGroupSpec,
    FeatureReference,
    FeatureSpec,
)
from ..contract.partitions import Partitioning, Window
from ..resources.offline.table_spec import TableKind, TableSpec, feature_table, plain_table
from .landing import Landing
from .partitions import partitions_in
from .schemas import PolarsType, Schema, entity_spec
from .transforms import DimensionReader, Frame, Reader, Transform, computed

Upstream: TypeAlias = "Source | FeatureGroup"
AnyInput: TypeAlias = "Input | Dimension"
Columns: TypeAlias = tuple[tuple[str, pl.DataType], ...]
Tags: TypeAlias = tuple[tuple[str, str], ...]
AssetPath: TypeAlias = tuple[str, ...]


def _shown(declaration: "Source | Dimension | FeatureGroup") -> str:
    return f"{type(declaration).__name__}({declaration.name!r})"


@dataclass(frozen=True, slots=True)
class Entity:
    """Whom features describe; the order of the join keys is part of every online key."""

    name: str
    join_keys: Mapping[str, PolarsType] = field(hash=False)
    description: str = ""
    spec: EntitySpec = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the entity.

        Raises:
            DefinitionError: It has no join keys, or one that does not identify.
        """
        object.__setattr__(self, "spec", entity_spec(self.name, self.join_keys))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Source:
    """Raw rows by event time, read partition by partition.

    Attributes:
        reader: From `start` and `end` to the rows with start <= event timestamp < end.
        start: Where the history, and so the first partition, begins.
        lateness: How long after a partition's end its rows may still arrive in normal operation.
        resources: What its steps ask of Kubernetes.
        landing: Where its files arrive, if they say when it is read.
        late_within: How long after its end a partition is looked at for rows that came late.
    """

    name: str
    reader: Reader
    schema: Schema
    columns: Columns
    event_timestamp: str
    start: datetime
    partitions: Partitioning
    lateness: timedelta
    owners: tuple[str, ...]
    description: str
    tags: Tags
    code_version: str
    resources: Tags = ()
    landing: Landing | None = None
    late_within: timedelta | None = None

    __repr__ = _shown

    def __call__(self, start: datetime, end: datetime) -> pl.LazyFrame:
        """Read the rows of a window."""
        return self.reader(start, end)

    @property
    def asset_path(self) -> AssetPath:
        """Its asset key."""
        return ("sources", self.name)

    @property
    def table(self) -> TableSpec:
        """The Delta table that holds it."""
        return plain_table(
            TableKind.SOURCE,
            self.name,
            self.columns,
            partitioning=self.partitions,
            event_timestamp=self.event_timestamp,
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Dimension:
    """Facts that are not cut by time and are versioned as a whole."""

    name: str
    reader: DimensionReader
    schema: Schema
    columns: Columns
    owners: tuple[str, ...]
    description: str
    tags: Tags
    code_version: str

    __repr__ = _shown

    def __call__(self) -> pl.LazyFrame:
        """Read all rows."""
        return self.reader()

    @property
    def asset_path(self) -> AssetPath:
        """Its asset key."""
        return ("dimensions", self.name)

    @property
    def table(self) -> TableSpec:
        """The Delta table that holds it."""
        return plain_table(TableKind.DIMENSION, self.name, self.columns)


@dataclass(frozen=True, slots=True)
class Input:
    """What of a source or a feature group a function sees.

    Attributes:
        length: How far it reaches back from the partition's end; `None`: the partition alone.
    """

    upstream: Upstream
    length: timedelta | None

    @property
    def name(self) -> str:
        """The parameter by which the function takes it."""
        return self.upstream.name


@dataclass(frozen=True, slots=True)
class InputWindow:
    """What an input means for one partition.

    Attributes:
        window: All that the function may see, whether or not the history reaches back so far.
        partitions: Keys of the upstream partitions in it, in order, from where the upstream begins.
        is_complete: Whether the upstream's history reaches back to the window's start.
    """

    input: Input
    window: Window
    partitions: tuple[str, ...]
    is_complete: bool


def windows(inputs: tuple[AnyInput, ...], at: Window) -> tuple[InputWindow, ...]:
    """The upstream partitions that the partition `at` is computed from; dimensions have none."""
    found = []
    for each in inputs:
        if isinstance(each, Input):
            start = at.start if each.length is None else at.end - each.length
            keys = partitions_in(each.upstream, window := Window(start, at.end))
            found.append(InputWindow(each, window, keys, start >= each.upstream.start))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FeatureGroup:
    """Features that are computed, stored and published together.

    Attributes:
        function: From frames, by the inputs' names, and `end` to the rows of a partition; pure.
        spec: Its published form.
        start: Where its partitions begin: where the latest of its inputs does.
        freshness: The age of the newest event timestamp beyond which the group is overdue.
        lateness: How long after a partition's end its inputs may still arrive in normal operation.
        code_version: Changes when what the function computes may have changed.
        resources: What its steps ask of Kubernetes.
        shards: How many steps compute a partition together where each has a pod of its own.
        approval: Whether somebody has to approve a partition before it is committed.
    """

    spec: FeatureGroupSpec
    function: Transform
    entity: Entity
    schema: Schema
    inputs: tuple[AnyInput, ...]
    start: datetime
    partitions: Partitioning
    freshness: timedelta
    lateness: timedelta
    buckets: int
    code_version: str
    resources: Tags = ()
    shards: int = 1
    approval: bool = False

    __repr__ = _shown

    @property
    def name(self) -> str:
        """Its name, shared by all its versions."""
        return self.spec.name

    @property
    def version(self) -> int:
        """Its version."""
        return self.spec.version

    @property
    def offline_path(self) -> AssetPath:
        """The asset key of its Delta table."""
        return ("offline", self._asset_name)

    @property
    def online_path(self) -> AssetPath:
        """The asset key of its rows in the online store."""
        return ("online", self._asset_name)

    @property
    def iceberg_path(self) -> AssetPath:
        """The asset key of its Iceberg table."""
        return ("iceberg", self._asset_name)

    @property
    def _asset_name(self) -> str:
        return self.name if self.version == 1 else f"{self.name}_v{self.version}"

    @property
    def table(self) -> TableSpec:
        """The Delta table that holds it: join keys, the event timestamp, features."""
        return feature_table(self.spec, buckets=self.buckets)

    @property
    def features(self) -> "tuple[Feature, ...]":
        """Its features in declared order."""
        return tuple(Feature(self, feature) for feature in self.spec.features)

    def __getitem__(self, name: str) -> "Feature":
        """One of its features, for a feature service.

        Raises:
            UnknownNameError: It has no feature of this name.
        """
        features = {str(feature.reference): feature for feature in self.features}
        wanted = f"{self.name}:{name}"
        if wanted not in features:
            raise UnknownNameError(kind="feature", name=wanted, known=features)
        return features[wanted]

    def __call__(self, *, end: datetime, **frames: Frame) -> pl.LazyFrame:
        """Compute the rows of the partition that ends at `end` from frames by the inputs' names."""
        return computed(self.function, end, frames)

    def input_windows(self, partition: str) -> tuple[InputWindow, ...]:
        """The upstream partitions that one partition is computed from."""
        return windows(self.inputs, self.partitions.window(partition))


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a declared group; means the live version unless pinned to the declared one."""

    group: FeatureGroup
    spec: FeatureSpec
    is_pinned: bool = False

    def pin(self) -> "Feature":
        """The same feature of exactly the declared version, whatever is live."""
        return replace(self, is_pinned=True)

    @property
    def reference(self) -> FeatureReference:
        """How requests name it."""
        pinned = self.group.version if self.is_pinned else None
        return FeatureReference(self.group.name, pinned, self.spec.name)

    @property
    def column(self) -> str:
        """Its column in training sets and answers."""
        return f"{self.group.name}__{self.spec.name}"
