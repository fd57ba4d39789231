"""Which earlier generations of a group publishing and verifying still read.

A publisher retracts what earlier generations of its partition left online: the finished one, and
those whose publish began since. A proof compares with the generation that the marker, or the
floor, names. So their rows have to stay until the marker stands at the newest (architecture,
section 6).
"""

from collections.abc import Iterator, Mapping

from ...contract.errors import HeadraceError, StoreUnavailableError
from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.partitions import PARTITIONINGS
from ...contract.rows import from_microseconds
from ..offline.catalogue_table import CatalogueTable
from ..offline.commit_log import Commit
from ..offline.maintenance.maintained import Kept
from ..offline.offline_store import OfflineStore
from ..offline.offline_table import OfflineTable
from ..offline.table_spec import feature_table
from .group_state import GroupState
from .online_store import OnlineStore
from .opening import group_in


def needed_generations(
    group: FeatureGroupSpec, commits: Mapping[str, Commit], state: GroupState
) -> Iterator[tuple[str, int]]:
    """Partition and generation of each earlier commit whose rows publishing or proving may read.

    Args:
        group: The group.
        commits: The newest commit of each partition.
        state: How far the group is published.
    """
    if group.online is Online.UPSERT:
        for partition, commit in commits.items():
            intent = state.intents.get(partition, 0)
            marker = state.markers.get(partition, 0)
            begun = state.first_intents.get(partition, max(marker, 1)) if intent > marker else 0
            needed = [marker] if 0 < marker < commit.generation else []
            needed += range(begun, commit.generation) if begun else ()
            yield from ((partition, number) for number in needed)
    elif state.floor is not None:
        partitioning = PARTITIONINGS[group.partitions]
        end = from_microseconds(state.floor.event_timestamp)
        partition = partitioning.key(end - partitioning.length)
        if partition in commits and commits[partition].generation > state.floor.generation:
            yield partition, state.floor.generation


def kept_for_publishing(
    group: FeatureGroupSpec, offline: OfflineStore, online: OnlineStore | None
) -> Kept:
    """The versions of a group's table that publishers and proofs of any namespace still read.

    Which namespaces publish a group stands in the offline store's catalogue. Where the state of one
    cannot be read, nothing can be said.

    Args:
        group: The group.
        offline: The store of its table.
        online: A namespace of the store in which all namespaces publish; `None`: out of reach.
    """
    if group.online is None:
        return Kept()
    table = offline.table(feature_table(group))
    commits = table.snapshot().commits
    versions: dict[int, str] = {}
    for namespace in CatalogueTable(offline).namespaces(group.name, group.version):
        try:
            state = _state(group, namespace, online)
        except HeadraceError as error:
            return Kept(unknown=f"how far namespace {namespace!r} is published: {error}")
        for partition, generation in needed_generations(group, commits, state):
            version = _version(table, partition, generation)
            if version is not None:
                versions[version] = f"published in {namespace!r}: {partition}"
    return Kept(versions)


def _state(group: FeatureGroupSpec, namespace: str, online: OnlineStore | None) -> GroupState:
    if online is None:
        raise StoreUnavailableError(store="HEADRACE_REDIS", reason="the online store does not run")
    other = online.of_namespace(namespace)
    published = other.manifest().groups.get(group.name)
    version = published.versions.get(group.version) if published else None
    if version is None:
        raise StoreUnavailableError(
            store=online.address, reason=f"it does not know {group.reference} in {namespace!r}"
        )
    return group_in(other, version.group_id, group.reference).state()


def _version(table: OfflineTable, partition: str, generation: int) -> int | None:
    """The version that a generation is read at; `None` when the log has none of it."""
    try:
        table.log.commit(partition, generation)
    except KeyError:  # as after a new beginning
        return None
    return table.log.last_version(partition, generation)
