"""What the online state of a group lacks: commits that are not published, and its completeness.

A state begins empty, when a group is first published or its store was lost, and says nothing of
any entity until everything that is due is published in it. A snapshot group is complete with its
newest partition; an upsert group when every partition that is due has a marker, which is decided
here. Until then its floor is absent, and readers answer ERROR.
"""

from collections.abc import Mapping
from dataclasses import replace

from ...contract.feature_group import FeatureGroupSpec, Online
from ..offline.catalogue_table import RecordedCatalogue
from ..offline.commit_log import Commit
from ..offline.offline_table import OfflineTable
from .online_group import GroupState, OnlineGroup
from .online_store import OnlineStore
from .publication_state import is_covered, is_due, is_published
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
    rows.complete(state.epoch)
    return True


def unpublished_partitions(
    group: FeatureGroupSpec, table: OfflineTable, online: OnlineStore, recorded: RecordedCatalogue
) -> list[str]:
    """The partitions whose newest commit is not published, in order.

    A commit that was deferred counts only if somebody asked for it. Of a version that was dropped
    nothing counts.
    """
    if (group.name, group.version) in recorded.dropped:
        return []
    published = online.manifest().groups.get(group.name)
    version = published.versions.get(group.version) if published else None
    state = (
        GroupState(None, None, {}, {}, 0)
        if version is None
        else OnlineGroup(online, version.group_id, group.reference).state()
    )
    state, commits = _with_released(state, group, recorded), table.snapshot().commits
    left = [
        partition
        for partition, commit in commits.items()
        if is_due(commit, state) and not is_published(group, commits, commit, state)
    ]
    marked = [partition for partition in commits if partition in state.markers]
    if not left and marked and published is not None and _is_half(group, published.live, state):
        # Its publisher died behind the last marker; publishing again makes up for the rest.
        return marked[-1:]
    return left


def _is_half(group: FeatureGroupSpec, live: int | None, state: GroupState) -> bool:
    return live is None or (group.online is Online.UPSERT and state.floor is None)


def _with_released(
    state: GroupState, group: FeatureGroupSpec, recorded: RecordedCatalogue
) -> GroupState:
    return replace(state, released=recorded.released.get((group.name, group.version), {}))
