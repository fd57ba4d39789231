"""Feature references resolved against the tables that exist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

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


def resolve(
    features: Sequence[str], store: OfflineStore, known_at: datetime | None
) -> tuple[list[GroupColumns], dict[str, FeatureReference]]:
    """The groups with the columns asked of them, and the pinned reference of every output column.

    A feature that is asked twice gives one column.

    Raises:
        InvalidFeatureReferenceError: A reference is malformed.
        UnknownNameError: No table holds such a group, version or feature.
        InvalidArgumentError: Nothing is asked, or two versions of one feature.
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
    for text in features:
        reference = parse_reference(text)
        newest = _group(reference, known, live)
        group = groups.get(newest.reference)
        if group is None:
            group = groups[newest.reference] = _read(newest, store, known_at)
        for name in _feature_names(reference, newest):
            column = f"{newest.name}__{name}"
            pinned = FeatureReference(newest.name, newest.version, name)
            if columns.setdefault(column, pinned) != pinned:
                raise InvalidArgumentError(
                    argument="features",
                    problem=f"{columns[column]} and {pinned} would both be column {column!r}",
                    remedy="ask for one version of a feature at a time",
                )
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


def _read(newest: FeatureGroupSpec, store: OfflineStore, known_at: datetime | None) -> GroupColumns:
    snapshot = store.table(feature_table(newest)).snapshot(known_at=known_at)
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
