"""Under which document the rows of a snapshot are written: the one in force in it, registered."""

from dataclasses import dataclass, replace

from ...contract.document import decode_document
from ...contract.feature_group import FeatureGroupSpec
from ..offline.table_snapshot import TableSnapshot
from ..offline.table_spec import feature_table
from .registry import Registry


@dataclass(frozen=True, slots=True)
class Registered:
    """A snapshot of a group's table, and how its rows are written online.

    Attributes:
        group: As its document says that is in force in this very snapshot, with all its schemas.
        group_id: What stands for it in every key.
        snapshot: With the columns that the group has.
    """

    group: FeatureGroupSpec
    group_id: int
    snapshot: TableSnapshot


def registered(group: FeatureGroupSpec, snapshot: TableSnapshot, registry: Registry) -> Registered:
    """Register what a snapshot says that the group is.

    Document and rows have to be of one snapshot: rows of a commit that added a feature, written
    under the document before it, would lack the feature for good, since they count as published.

    Args:
        group: As declared; that counts before the first commit alone.
        snapshot: Of its table.
        registry: Of the online store.

    Raises:
        VersionDroppedError: The version was dropped.
    """
    recorded = recorded_group(group, snapshot)
    published = registry.register(recorded)
    spec = feature_table(recorded, buckets=snapshot.spec.buckets)
    return Registered(
        registry.document(published.document), published.group_id, replace(snapshot, spec=spec)
    )


def recorded_group(group: FeatureGroupSpec, snapshot: TableSnapshot) -> FeatureGroupSpec:
    """The group as the offline table says that it is; as declared before its first commit."""
    return group if snapshot.document is None else decode_document(snapshot.document)
