"""A small publisher for tests: puts groups and rows into a store by the contract alone.

It has none of a real publisher's guards, so that tests can also build states that only a bug or a
crash leaves behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from headrace.contract.catalogue import Manifest, PublishedVersion, encode_manifest
from headrace.contract.document import digest, encode_document
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureServiceSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.keys import KeyValue, entity_encoder, group_prefix, online_key
from headrace.contract.order import Order, encode_order
from headrace.contract.rows import Row, RowCodec, Value, to_microseconds
from headrace.contract.store_keys import (
    catalogue_key,
    document_key,
    floor_key,
    manifest_key,
)

NOW = datetime(2018, 1, 2, tzinfo=UTC)
HOUSEHOLD = EntitySpec("household", (JoinKey("household_id", DType.INT64),))
VISIT = EntitySpec(
    "household_store", (JoinKey("household_id", DType.INT64), JoinKey("store_id", DType.STRING))
)


def group(
    name: str = "household_spend",
    *,
    features: Mapping[str, DType] | None = None,
    entity: EntitySpec = HOUSEHOLD,
    version: int = 1,
    online: Online = Online.SNAPSHOT,
    ttl: timedelta | None = timedelta(days=3),
) -> FeatureGroupSpec:
    """A declaration with nullable features; by default of one float and one integer."""
    named = features or {"spend_30d": DType.FLOAT64, "baskets_7d": DType.INT64}
    return FeatureGroupSpec(
        name=name,
        version=version,
        entity=entity,
        features=tuple(
            FeatureSpec(feature, dtype, nullable=True) for feature, dtype in named.items()
        ),
        ttl=ttl,
        online=online,
        owners=("team:growth",),
        partitions="DAILY",
        description=f"About {name}.",
    )


def evolved(before: FeatureGroupSpec, feature: str, dtype: DType) -> FeatureGroupSpec:
    """The group with one more nullable feature, as a change in place makes it."""
    features = (*before.features, FeatureSpec(feature, dtype, nullable=True))
    return replace(before, features=features, schemas=(*before.all_schemas, features))


class Store(Protocol):
    """Where a publisher writes: a Redis, or a dictionary."""

    def set(self, key: bytes, value: bytes, /) -> object:
        """Store a value."""


class Publisher:
    """Publishes into one namespace of a store, in ascending group ids."""

    def __init__(self, store: Store, namespace: str) -> None:
        """Begin with an empty catalogue."""
        self._store = store
        self.manifest = Manifest(namespace)
        self._ids: dict[str, int] = {}

    def register(self, spec: FeatureGroupSpec, *, live: bool = True) -> None:
        """Put a group's document into the catalogue."""
        document = encode_document(spec)
        name, namespace = digest(document), self.manifest.namespace
        self._store.set(document_key(namespace, name), document)
        published = PublishedVersion(self.group_id(spec), name)
        changed = self.manifest.with_version(spec.name, spec.version, published)
        self.flip(changed.with_live(spec.name, spec.version) if live else changed)

    def register_service(self, name: str, features: Sequence[str]) -> None:
        """Put a feature service into the catalogue."""
        service = FeatureServiceSpec(name, 1, tuple(features), ("team:growth",), f"About {name}.")
        self.flip(replace(self.manifest, services={**self.manifest.services, name: service}))

    def flip(self, manifest: Manifest) -> None:
        """Make a manifest the one in force."""
        self.manifest = manifest
        raw = encode_manifest(manifest)
        name, namespace = digest(raw), manifest.namespace
        self._store.set(manifest_key(namespace, name), raw)
        self._store.set(catalogue_key(namespace), name.encode())

    def write(
        self,
        spec: FeatureGroupSpec,
        rows: Mapping[tuple[KeyValue, ...], Sequence[Value]],
        *,
        at: datetime = NOW,
        generation: int = 1,
        table_version: int = 60,
    ) -> dict[tuple[KeyValue, ...], bytes]:
        """Write rows by their entities; what was stored."""
        codec = RowCodec(spec.features, spec.schema_id)
        written = {}
        for entity, values in rows.items():
            row = Row(to_microseconds(at), generation, table_version, tuple(values))
            written[entity] = codec.encode(row)
            self._store.set(self.key(spec, entity), written[entity])
        return written

    def guard(self, spec: FeatureGroupSpec, *, at: datetime = NOW, generation: int = 1) -> None:
        """Set the group's floor."""
        self._store.set(self.guard_key(spec), encode_order(Order(to_microseconds(at), generation)))

    def publish(
        self,
        spec: FeatureGroupSpec,
        rows: Mapping[tuple[KeyValue, ...], Sequence[Value]],
        *,
        at: datetime = NOW,
    ) -> dict[tuple[KeyValue, ...], bytes]:
        """Register a group, write its rows, and say that they are complete; what was stored."""
        self.register(spec)
        written = self.write(spec, rows, at=at)
        self.guard(spec, at=at)
        return written

    def key(self, spec: FeatureGroupSpec, entity: tuple[KeyValue, ...]) -> bytes:
        """An entity's key."""
        prefix = group_prefix(self.group_id(spec))
        return online_key(prefix, entity_encoder(spec.entity)(entity))

    def guard_key(self, spec: FeatureGroupSpec) -> bytes:
        """The key of the group's floor."""
        return floor_key(self.manifest.namespace, self.group_id(spec))

    def group_id(self, spec: FeatureGroupSpec) -> int:
        """The id that stands for a group version."""
        return self._ids.setdefault(spec.reference, len(self._ids) + 1)


class Memory(dict[bytes, bytes]):
    """A store for what is pure: the values that a reading is sent."""

    def set(self, key: bytes, value: bytes, /) -> object:
        """Store a value."""
        self[key] = value
        return None
