"""The nouns both sides share: data types, join keys, features, feature groups, feature services."""

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum


class DType(IntEnum):
    """The types a feature may have; the numbers are `DataType` of the proto."""

    BOOL = 1
    INT32 = 2
    INT64 = 3
    FLOAT32 = 4
    FLOAT64 = 5
    STRING = 6
    BYTES = 7
    DATE = 8
    TIMESTAMP = 9
    FLOAT32_LIST = 10
    FLOAT64_LIST = 11
    INT64_LIST = 12


JOIN_KEY_DTYPES = frozenset({DType.INT32, DType.INT64, DType.STRING, DType.BYTES, DType.DATE})
"""Types that identify: exact, hashable and never null. Floats and lists do not."""


class Online(StrEnum):
    """What a partition says about the online state (architecture, §4)."""

    SNAPSHOT = "snapshot"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class JoinKey:
    """One typed column of an entity's identity."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class EntitySpec:
    """Whom features describe. The order of the join keys is part of every online key."""

    name: str
    join_keys: tuple[JoinKey, ...]

    @property
    def key_names(self) -> tuple[str, ...]:
        """The join key columns in declared order."""
        return tuple(key.name for key in self.join_keys)


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One column of a feature group that is neither a join key nor the event timestamp."""

    name: str
    dtype: DType
    nullable: bool = False
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureGroupSpec:
    """Everything that a reader of a feature group's rows has to know.

    Attributes:
        ttl: The greatest age at which a row is still served as known; `None` means for ever.
        online: `None` when the group is never published.
        partitions: `"DAILY"` or `"HOURLY"`, the half-open UTC windows by which it is computed.
        schemas: The features of every schema that rows were ever written under, oldest first. A
            row's `schema_id` is an index into it; the last one is the current one.
    """

    name: str
    version: int
    entity: EntitySpec
    features: tuple[FeatureSpec, ...]
    ttl: timedelta | None
    online: Online | None
    owners: tuple[str, ...]
    partitions: str
    description: str = ""
    status: str = "active"
    tags: tuple[tuple[str, str], ...] = ()
    schemas: tuple[tuple[FeatureSpec, ...], ...] = ()

    @property
    def reference(self) -> str:
        """How people and messages name it: `group@version`."""
        return f"{self.name}@{self.version}"

    @property
    def all_schemas(self) -> tuple[tuple[FeatureSpec, ...], ...]:
        """The schemas by id; a group without a history has the current one alone."""
        return self.schemas or (self.features,)

    @property
    def schema_id(self) -> int:
        """The id under which rows are written today."""
        return len(self.all_schemas) - 1


@dataclass(frozen=True, slots=True)
class FeatureServiceSpec:
    """What one model reads, in order: `group:feature`, or `group@version:feature` when pinned."""

    name: str
    version: int
    features: tuple[str, ...]
    owners: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """`group`, `group:feature`, `group@version` or `group@version:feature`, taken apart.

    Attributes:
        version: `None` asks for the live version.
        feature: `None` asks for every feature, in the contract's order.
    """

    group: str
    version: int | None
    feature: str | None

    def __str__(self) -> str:
        """The reference as a user writes it."""
        version = "" if self.version is None else f"@{self.version}"
        return f"{self.group}{version}" + ("" if self.feature is None else f":{self.feature}")
