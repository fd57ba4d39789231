"""Feature references resolved against the tables that exist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

from ...contract.document import decode_document, digest, encode_document
from ...contract.errors import InvalidArgumentError, UnknownNameError
from ...contract.feature_group import FeatureGroupSpec, FeatureReference
from ...contract.references import parse_reference
from ...resources.offline.catalogue_table import CatalogueTable
from ...resources.offline.offline_store import OfflineStore
from ...resources.offline.table_snapshot import TableSnapshot
from ...resources.offline.table_spec import feature_table


@dataclass(frozen=True, slots=True)
class GroupColumns:
    """What is asked of one group version.

    Attributes:
        spec: As its document says that was in force when the table was read.
        columns: Feature to output column, in the order asked.
    """

    spec: FeatureGroupSpec
    snapshot: TableSnapshot
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> str:
        """The digest of the document in force."""
        return digest(self.snapshot.document or encode_document(self.spec))

    @property
    def table_id(self) -> str | None:
        """Delta's id of the table; `None` when there was nothing at the version read."""
        return str(self.snapshot.log.opened().metadata().id) if self.snapshot.version >= 0 else None


@runtime_checkable
class DeclaredFeature(Protocol):
    """One feature of a declared group, as `household_spend["spend_30d"]` gives it."""

    @property
    def reference(self) -> FeatureReference:
        """How requests name it."""


@runtime_checkable
class DeclaredFeatures(Protocol):
    """A declared group, or a feature service."""

    @property
    def features(self) -> Sequence[DeclaredFeature]:
        """What it stands for, in order."""


# By what they have, not by their classes: those bring pandera, which a reader can do without.
Asked: TypeAlias = str | DeclaredFeature | DeclaredFeatures


def references(features: Asked | Sequence[Asked]) -> list[FeatureReference]:
    """What is asked for, in order, as requests name it.

    Raises:
        InvalidFeatureReferenceError: A reference is malformed.
        InvalidArgumentError: Something is neither a reference nor declares features.
    """
    if isinstance(features, str):
        return [parse_reference(features)]
    if isinstance(features, DeclaredFeature):
        return [features.reference]
    if isinstance(features, DeclaredFeatures):
        return [each.reference for each in features.features]
    if isinstance(features, Sequence):
        return [reference for each in features for reference in references(each)]
    raise InvalidArgumentError(
        argument="features",
        problem=f"{features!r} is no feature",
        remedy="give group:feature, a declared feature or group, or a feature service",
    )


def resolve(
    features: Sequence[FeatureReference], store: OfflineStore, known_at: datetime | None
) -> tuple[list[GroupColumns], dict[str, FeatureReference]]:
    """The groups with the columns asked of them, and the pinned reference of every output column.

    Raises:
        UnknownNameError: No table holds such a group, version or feature.
        InvalidArgumentError: Nothing is asked, or one feature twice, be it in two versions.
    """
    if not features:
        raise InvalidArgumentError(
            argument="features",
            problem="none are named",
            remedy="name at least one, as group:feature",
        )
    known = store.feature_groups()
    live = CatalogueTable(store).read(store.namespace, known_at).live
    groups: dict[str, GroupColumns] = {}
    columns: dict[str, FeatureReference] = {}
    for reference in features:
        newest = _group(reference, known, live)
        group = groups.get(newest.reference)
        if group is None:
            group = groups[newest.reference] = read_group(newest, store, known_at=known_at)
        for name in _feature_names(reference, newest):
            column = f"{newest.name}__{name}"
            if column in columns:  # as the client refuses it
                raise InvalidArgumentError(
                    argument="features",
                    problem=f"{column!r} is asked for twice",
                    remedy="ask for each feature once, and for two versions of it in two calls",
                )
            columns[column] = FeatureReference(newest.name, newest.version, name)
            group.columns[name] = column
    return list(groups.values()), columns


def _group(
    reference: FeatureReference,
    known: Mapping[str, Mapping[int, FeatureGroupSpec]],
    live: Mapping[str, int],
) -> FeatureGroupSpec:
    """The version that is named, else the live one, else (never published) the newest."""
    versions = known.get(reference.group)
    if versions is None:
        raise UnknownNameError(kind="feature group", name=reference.group, known=known)
    version = reference.version or live.get(reference.group) or max(versions)
    if version not in versions:
        name = f"{reference.group}@{version}"
        names = [f"{reference.group}@{each}" for each in versions]
        raise UnknownNameError(kind="version of a feature group", name=name, known=names)
    return versions[version]


def read_group(
    newest: FeatureGroupSpec,
    store: OfflineStore,
    *,
    known_at: datetime | None = None,
    version: int | None = None,
) -> GroupColumns:
    """A group's table, pinned: at its newest version, that of an instant, or the one given."""
    snapshot = store.table(feature_table(newest)).snapshot(known_at=known_at, version=version)
    # What was in force then decides TTL and semantics; columns it did not have yet are null.
    return GroupColumns(
        decode_document(snapshot.document) if snapshot.document else newest, snapshot
    )


def _feature_names(reference: FeatureReference, group: FeatureGroupSpec) -> list[str]:
    names = [feature.name for feature in group.features]
    if reference.feature is None:
        return names
    if reference.feature not in names:
        raise UnknownNameError(
            kind=f"feature of {group.reference}", name=reference.feature, known=names
        )
    return [reference.feature]
