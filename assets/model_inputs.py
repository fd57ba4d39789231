"""What models read: feature services, and training sets of a spine and a service's features."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ..contract.feature_group import FeatureServiceSpec
from ..contract.partitions import Partitioning
from ..resources.offline.dtypes import polars_dtype
from ..resources.offline.table_spec import TableKind, TableSpec, plain_table
from .declarations import (
    AnyInput,
    AssetPath,
    Columns,
    Feature,
    InputWindow,
    Tags,
    windows,
)
from .transforms import Frame, Transform, computed


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FeatureService:
    """What one model reads, in order, for training and online."""

    spec: FeatureServiceSpec
    features: tuple[Feature, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainingSet:
    """A spine with labels, and the features of a service as they were known at the spine's times.

    Attributes:
        function: From frames, by the inputs' names, and `end` to the spine of a partition.
        start: Where the first partition begins whose windows are complete.
        spine: What the function returns: join keys, `event_timestamp`, labels and others.
        resources: What its steps ask of Kubernetes.
    """

    name: str
    function: Transform
    service: FeatureService
    inputs: tuple[AnyInput, ...]
    start: datetime
    partitions: Partitioning
    spine: Columns
    owners: tuple[str, ...]
    description: str
    tags: Tags
    code_version: str
    resources: Tags = ()

    @property
    def asset_path(self) -> AssetPath:
        """Its asset key."""
        return ("training_sets", self.name)

    @property
    def table(self) -> TableSpec:
        """The Delta table that holds it: the spine's columns, then one column per feature.

        Its rows lie before their partition, by as much as labels look ahead: no column places them.
        """
        features = ((each.column, polars_dtype(each.spec.dtype)) for each in self.service.features)
        columns = (*self.spine, *features)
        return plain_table(TableKind.TRAINING_SET, self.name, columns, partitioning=self.partitions)

    def __call__(self, *, end: datetime, **frames: Frame) -> pl.LazyFrame:
        """Compute the spine of the partition that ends at `end`, from frames by name."""
        return computed(self.function, end, frames)

    def input_windows(self, partition: str) -> tuple[InputWindow, ...]:
        """The upstream partitions that one partition's spine is computed from."""
        return windows(self.inputs, self.partitions.window(partition))
