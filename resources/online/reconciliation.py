"""What the online state of a group lacks: commits that are not published, and its completeness.

A state begins empty, when a group is first published or its store was lost, and says nothing of
any entity until everything that is due is published in it. A snapshot group is complete with its
newest partition; an upsert group when every partition that is due has a marker, which is decided
here. Until then its floor is absent, and readers answer ERROR.
"""

from collections.abc import Mapping
from dataclasses import replace

from ...contract import store_keys
from ...contract.catalogue import PublishedVersion
from ...contract.document import decode_document
from ...contract.feature_group import FeatureGroupSpec, Online
from ..offline.commit_log import Commit
from ..offline.offline_table import OfflineTable
from ..offline.recorded_catalogue import RecordedCatalogue
from .group_state import GroupState
from .online_group import OnlineGroup
from .online_store import OnlineStore
from .opening import group_in
from .publication_state import is_covered, is_due, is_published
from .registration import recorded_group
from .registry import Registry


def state_of(
    rows: OnlineGroup, group: FeatureGroupSpec, commits: Mapping[str, Commit], registry: Registry
) -> GroupState:
    """How far a group is published, and which of its deferred commits were asked for."""
    state = rows.state()
    if all(commit.publish != "deferred" for commit in commits.values()):
        return state
    return _with_released(state, group, registry.recorded())


def complete_if_covered(
    rows: OnlineGroup, group: FeatureGroupSpec, table: OfflineTable, registry: Registry
) -> bool:
    """Upsert groups: let the state answer, if everything that is due is published in it.

    Returns:
        Whether it is.

    Raises:
        StateLostError: The store was flushed meanwhile.
    """
    commits = table.snapshot().commits
    state = state_of(rows, group, commits, registry)
    if not is_covered(commits, state):
        return False
    rows.complete(state)
    return True


def unpublished_partitions(
    group: FeatureGroupSpec, table: OfflineTable, online: OnlineStore, recorded: RecordedCatalogue
) -> list[str]:
    """The partitions whose newest commit is not published, in order.

    A commit that was deferred counts only if somebody asked for it. Of a version that was dropped
    nothing counts. Where every commit is published, but the group's document is not the one in
    force offline, or it does not answer yet, it is one of the published partitions: publishing it
    again makes up for that.
    """
    if (group.name, group.version) in recorded.dropped:
        return []
    published = online.manifest().groups.get(group.name)
    version = published.versions.get(group.version) if published else None
    state = (
        GroupState(None, None, {}, {}, 0)
        if version is None
        else group_in(online, version.group_id, group.reference).state()
    )
    snapshot = table.snapshot()
    state, commits = _with_released(state, group, recorded), snapshot.commits
    left = [
        partition
        for partition, commit in commits.items()
        if is_due(commit, state) and not is_published(group, commits, commit, state)
    ]
    marked = [partition for partition in commits if partition in state.markers]
    if not left and marked and published is not None and version is not None:
        # Its publisher died behind the last marker, or before a changed document was registered
        # that a commit without rows had recorded.
        wanted = recorded_group(group, snapshot)
        if _is_half(group, published.live, state) or not _is_registered(wanted, version, online):
            return marked[-1:]
    return left


def was_published(group: FeatureGroupSpec, recorded: RecordedCatalogue) -> bool:
    """Whether the group was ever registered for publishing, and not dropped since."""
    key = (group.name, group.version)
    return key in recorded.versions and key not in recorded.dropped


def is_complete(group: FeatureGroupSpec, online: OnlineStore) -> bool:
    """Whether the state of a group answers; a store that was flushed does not even know it."""
    published = online.manifest().groups.get(group.name)
    version = published.versions.get(group.version) if published else None
    if version is None:
        return False
    return group_in(online, version.group_id, group.reference).state().floor is not None


def _is_registered(group: FeatureGroupSpec, version: PublishedVersion, online: OnlineStore) -> bool:
    with online.errors() as client:
        raw = client.get(store_keys.document_key(online.catalogue_namespace, version.document))
    return isinstance(raw, bytes) and replace(decode_document(raw), schemas=()) == group


def _is_half(group: FeatureGroupSpec, live: int | None, state: GroupState) -> bool:
    return live is None or (group.online is Online.UPSERT and state.floor is None)


def _with_released(
    state: GroupState, group: FeatureGroupSpec, recorded: RecordedCatalogue
) -> GroupState:
    return replace(state, released=recorded.released.get((group.name, group.version), {}))
