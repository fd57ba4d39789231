"""Which version of a group is live: flips of named sets of groups, and the flips back.

A flip is recorded offline, where training reads it, and then projected into the manifest, where
servers read it within a second. Neither moves a row: all versions are published side by side.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ...contract.errors import UnknownNameError, VersionDroppedError, VersionRefusedError
from ...contract.partitions import PARTITIONINGS
from ..offline.recorded_catalogue import RecordedCatalogue
from .online_store import OnlineStore
from .opening import group_in
from .registry import Registry


def promote_versions(
    targets: Mapping[str, int], *, online: OnlineStore, registry: Registry, force: bool = False
) -> dict[str, int | None]:
    """Make a version of each of these groups the live one, all at one instant.

    Repeating it changes nothing.

    Args:
        targets: The version by group.
        online: Where it is published.
        registry: Of the same store.
        force: Also where the newest publish of the target is older than that of the live version.

    Returns:
        The version that was live before, by group; `None` where there was none.

    Raises:
        VersionRefusedError: A target is not published completely, or is behind the live version;
            nothing is changed.
        VersionDroppedError: A target was dropped.
        UnknownNameError: A target was never published.
    """
    registry.project()  # what is refused is refused in view of what is recorded
    recorded = registry.recorded()
    for name, version in targets.items():
        _refuse_unknown(recorded, name, version)
        _check(_Reach(online, registry, recorded), name, version, "promote", force=force)
    registry.go_live(targets)
    return {name: recorded.live.get(name) for name in targets}


def roll_back_versions(
    names: Sequence[str], *, online: OnlineStore, registry: Registry, force: bool = False
) -> dict[str, int]:
    """Make the version of each group live again that was live before, all at one instant.

    Each rollback undoes the newest promotion that was not rolled back yet: several in a row walk
    further back. A version that was dropped since is passed over.

    Args:
        names: Groups.
        online: Where they are published.
        registry: Of the same store.
        force: Also where the newest publish of the target is older than that of the live version.

    Returns:
        The version that is live then, by group.

    Raises:
        VersionRefusedError: No other version was live before, or it is not published completely, or
            is behind the live version; nothing is changed.
        UnknownNameError: A group was never published.
    """
    registry.project()
    recorded = registry.recorded()
    targets: dict[str, int] = {}
    for name in names:
        history = recorded.history.get(name)
        if not history:
            raise UnknownNameError(
                kind="feature group with a live version", name=name, known=recorded.live
            )
        if len(history) == 1:
            raise VersionRefusedError(
                action="roll back",
                subject=name,
                reason=f"no other version was live before {name}@{history[0]}",
                remedy="promote the version that you want",
            )
        targets[name] = history[-2]
        _check(_Reach(online, registry, recorded), name, history[-2], "roll back to", force=force)
    registry.roll_back(targets)
    return targets


def published_until(
    online: OnlineStore, registry: Registry, name: str, version: int
) -> datetime | None:
    """The end of the newest partition that a version has online; `None` unless it is complete."""
    published = registry.published(name, version)
    if published is None:
        return None
    group = registry.document(published.document)
    state = group_in(online, published.group_id, group.reference).state()
    if state.floor is None or not state.markers:
        return None
    return PARTITIONINGS[group.partitions].window(max(state.markers)).end


class _Reach:
    """Up to when the versions of a catalogue are published."""

    def __init__(
        self, online: OnlineStore, registry: Registry, recorded: RecordedCatalogue
    ) -> None:
        self._online, self._registry, self.recorded = online, registry, recorded

    def of(self, name: str, version: int) -> datetime | None:
        return published_until(self._online, self._registry, name, version)


def _refuse_unknown(recorded: RecordedCatalogue, name: str, version: int) -> None:
    if (name, version) in recorded.dropped:
        raise VersionDroppedError(group=f"{name}@{version}")
    if (name, version) not in recorded.versions:
        raise UnknownNameError(
            kind="published feature group version",
            name=f"{name}@{version}",
            known=[f"{group}@{number}" for group, number in recorded.versions],
        )


def _check(reach: _Reach, name: str, version: int, action: str, *, force: bool) -> None:
    subject, until = f"{name}@{version}", reach.of(name, version)
    if until is None:
        raise VersionRefusedError(
            action=action,
            subject=subject,
            reason="it is not published completely",
            remedy=f"run `headrace publish {subject}`",
        )
    live = reach.recorded.live.get(name)
    if force or live is None or live == version:
        return
    live_until = reach.of(name, live)
    if live_until is not None and until < live_until:
        raise VersionRefusedError(
            action=action,
            subject=subject,
            reason=f"it is published up to {until:%Y-%m-%dT%H:%MZ},"
            f" {name}@{live}, which is live, up to {live_until:%Y-%m-%dT%H:%MZ}",
            remedy="materialize what it lacks, or repeat with --force",
        )
