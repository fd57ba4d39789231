"""What the state of a group says about its commits: which are due, superseded, published."""

from collections.abc import Mapping

from ...contract.feature_group import FeatureGroupSpec, Online
from ..offline.commit_log import Commit
from .group_state import GroupState
from .projection import end_order


def is_due(commit: Commit, state: GroupState) -> bool:
    """Whether a commit is to be published without being asked for again: not deferred, or begun."""
    asked = max(state.intents.get(commit.partition, 0), state.released.get(commit.partition, 0))
    return commit.publish != "deferred" or asked >= commit.generation


def is_covered(commits: Mapping[str, Commit], state: GroupState) -> bool:
    """Whether every commit that is due was published in this state, at any generation of it."""
    return bool(state.markers) and all(
        partition in state.markers for partition, commit in commits.items() if is_due(commit, state)
    )


def is_superseded(
    group: FeatureGroupSpec, commits: Mapping[str, Commit], commit: Commit, state: GroupState
) -> bool:
    """Whether a later partition says, or is about to say, what a snapshot group serves."""
    return group.online is Online.SNAPSHOT and any(
        later > commit.partition and (later in state.intents or is_due(other, state))
        for later, other in commits.items()
    )


def is_published(
    group: FeatureGroupSpec, commits: Mapping[str, Commit], commit: Commit, state: GroupState
) -> bool:
    """Whether nothing is left to do for a commit."""
    if state.watermark is None or state.markers.get(commit.partition, 0) < commit.generation:
        return False
    if group.online is Online.UPSERT or is_superseded(group, commits, commit, state):
        return True
    return state.floor is not None and state.floor >= end_order(group, commit)
