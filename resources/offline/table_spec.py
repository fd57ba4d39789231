"""What an offline table looks like, free of the declarations that it was derived from."""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from ...contract.document import encode_document
from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.partitions import PARTITIONINGS, Partitioning
from .dtypes import polars_dtype

EVENT_TIMESTAMP = "event_timestamp"
EVENT_TIMESTAMP_TYPE = pl.Datetime("us", "UTC")
BUCKET_COLUMN = "entity_bucket"
BUCKETS = "headrace.buckets"
"""The table property that keeps the number of entity buckets."""
WHOLE = "all"
"""The partition key of a table that is versioned as a whole."""


class TableKind(StrEnum):
    """The folders of an offline store; `PLAIN` holds what assets without a declaration return."""

    SOURCE = "sources"
    DIMENSION = "dimensions"
    FEATURES = "features"
    TRAINING_SET = "training_sets"
    PLAIN = "assets"


@dataclass(frozen=True, slots=True)
class KeyedPartitions:
    """Partitions that are known by their keys alone: weeks, regions, whatever Dagster cuts by.

    Attributes:
        column: The partition column, which holds the key.
    """

    column: str = "partition_key"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The shape of one table.

    Attributes:
        version: The group's version; part of the path of feature tables alone.
        columns: The real columns, in order; the event timestamp is one of them.
        partitioning: `None` for a table that is versioned as a whole; its one partition is `"all"`.
        event_timestamp: The column by which rows belong to partitions; `None` when nothing says so.
        stamped_at_end: Whether every row bears the end of its partition's window as event timestamp
            (snapshot groups); otherwise start <= t < end.
        key: Never null, and unique together with the event timestamp; rows are sorted by it.
        buckets: How many entity buckets a partition of a feature table has; fixed for its life.
        document: The group's published document; it is stored in the log with the commits.
        beside: The path of the table that it is kept beside, and what it is to that one.
    """

    kind: TableKind
    name: str
    version: int
    columns: tuple[tuple[str, pl.DataType], ...]
    partitioning: Partitioning | KeyedPartitions | None
    event_timestamp: str | None
    stamped_at_end: bool
    key: tuple[str, ...]
    buckets: int = 1
    document: bytes | None = None
    beside: tuple[str, str] | None = None

    @property
    def path(self) -> str:
        """Where the table lies under the store's root: a table beside another one at its path."""
        if self.beside is not None:
            return "_".join(self.beside)
        return self.path_of(self.kind, self.name, self.version)

    @property
    def reference(self) -> str:
        """How messages and receipts call it: `group@version`; other tables by their path."""
        return f"{self.name}@{self.version}" if self.kind is TableKind.FEATURES else self.path

    @staticmethod
    def path_of(kind: TableKind, name: str, version: int) -> str:
        """Where the table of this name lies under any store's root."""
        return f"{kind}/{name}/v{version}" if kind is TableKind.FEATURES else f"{kind}/{name}"

    @property
    def schema(self) -> pl.Schema:
        """The real columns as polars knows them."""
        return pl.Schema(self.columns)

    @property
    def order(self) -> tuple[str, ...]:
        """The columns by which rows are sorted inside a file."""
        return self.key if self.event_timestamp is None else (*self.key, self.event_timestamp)

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """The copies by which files are laid out, beside the real columns."""
        if self.partitioning is None:
            return ()
        bucket = (BUCKET_COLUMN,) if self.kind is TableKind.FEATURES else ()
        return (self.partitioning.column, *bucket)

    @property
    def stored_schema(self) -> pl.Schema:
        """The real columns and the partition columns, as they stand in the Delta table."""
        copies = {
            name: pl.Int32() if name == BUCKET_COLUMN else pl.String()
            for name in self.partition_columns
        }
        return pl.Schema({**self.schema, **copies})


def feature_table(group: FeatureGroupSpec, *, buckets: int = 1) -> TableSpec:
    """The table of a feature group: join keys, event timestamp, features."""
    return TableSpec(
        kind=TableKind.FEATURES,
        name=group.name,
        version=group.version,
        columns=(
            *((key.name, polars_dtype(key.dtype)) for key in group.entity.join_keys),
            (EVENT_TIMESTAMP, EVENT_TIMESTAMP_TYPE),
            *((feature.name, polars_dtype(feature.dtype)) for feature in group.features),
        ),
        partitioning=PARTITIONINGS[group.partitions],
        event_timestamp=EVENT_TIMESTAMP,
        stamped_at_end=group.online is not Online.UPSERT,
        key=group.entity.key_names,
        buckets=buckets,
        document=encode_document(group),
    )


def plain_table(
    kind: TableKind,
    name: str,
    columns: tuple[tuple[str, pl.DataType], ...],
    *,
    partitioning: Partitioning | None = None,
    event_timestamp: str | None = None,
) -> TableSpec:
    """The table of a declaration that has neither versions nor keys."""
    return TableSpec(
        kind=kind,
        name=name,
        version=1,
        columns=columns,
        partitioning=partitioning,
        event_timestamp=event_timestamp,
        stamped_at_end=False,
        key=(),
    )
