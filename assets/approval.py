"""Committing exactly what was held of a partition, in somebody's name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ..contract.errors import HeldOutdatedError, NothingHeldError
from ..resources.offline.commit_log import Commit
from ..resources.offline.offline_store import OfflineStore
from .declarations import FeatureGroup
from .held import HeldPartitions, inputs_of
from .identity import computed_identity
from .pinned_inputs import PinnedInputs

APPROVAL = "approval"
"""Under which name a commit's metadata says who approved it, when and why."""


@dataclass(frozen=True, slots=True)
class Approval:
    """An approved partition.

    Attributes:
        is_repeated: It was approved before; this call changed nothing.
    """

    commit: Commit
    by: str
    reason: str
    approved_at: datetime
    is_repeated: bool


def approve(
    group: FeatureGroup, partition: str, store: OfflineStore, *, by: str, reason: str
) -> Approval:
    """Commit the rows that are held of a partition, if they still are what would be computed.

    Atomic: the group's table has the partition as it was, or as approved. Repeating a call changes
    nothing, and gives the approval that stands.

    Raises:
        NothingHeldError: Nothing of the partition waits.
        HeldOutdatedError: Its inputs, or the code, changed since; the message says what.
    """
    held = HeldPartitions.beside(group.table, store)
    waiting = held.waiting()
    if partition not in waiting:
        standing = approval_of(held.committed.snapshot().commits.get(partition))
        if standing is None:
            raise NothingHeldError(
                group=group.spec.reference, partition=partition, held=list(waiting)
            )
        return standing
    entry = waiting[partition]
    changes = list(changes_since(group, entry, store))
    if changes:
        raise HeldOutdatedError(group=group.spec.reference, partition=partition, changes=changes)
    verdict = {name: entry.verdicts[name] for name in ("rows", "passed", "breaches")}
    approval = {"by": by, "reason": reason, "approved_at": datetime.now(UTC).isoformat()}
    commit = held.committed.commit(
        partition,
        held.rows(entry),
        identity=entry.identity,
        run_id=entry.run_id,
        code_version=entry.code_version,
        verdicts={**verdict, APPROVAL: approval},
        publish=entry.publish,
    )
    if held.waiting().get(partition) is None:  # nothing else was held meanwhile
        held.release([partition], run_id=entry.run_id, code_version=entry.code_version)
    if commit.no_op and (standing := approval_of(commit)) is not None:
        return standing  # somebody else approved it at the same time
    approved_at = datetime.fromisoformat(approval["approved_at"])
    return Approval(commit, by, reason, approved_at, is_repeated=False)


def approval_of(commit: Commit | None) -> Approval | None:
    """The approval that stands in a commit's metadata; `None` where there is none."""
    found = None if commit is None else commit.verdicts.get(APPROVAL)
    if commit is None or found is None:
        return None
    approved_at = datetime.fromisoformat(found["approved_at"])
    return Approval(commit, found["by"], found["reason"], approved_at, is_repeated=True)


def changes_since(group: FeatureGroup, held: Commit, store: OfflineStore) -> Iterator[str]:
    """What changed since a partition was held, in words; nothing when it may be approved."""
    uses = PinnedInputs.of(group, store).uses(held.partition)
    if computed_identity(group, uses) == held.identity:
        return
    if group.code_version != held.code_version:
        yield f"the group's code is {group.code_version}, was {held.code_version}"
    before, now = inputs_of(held), {use.asset: use.generations for use in uses}
    for asset in dict.fromkeys([*now, *before]):
        then, today = before.get(asset, {}), now.get(asset, {})
        for key in sorted({*then, *today}):
            change = _change(then.get(key), today.get(key))
            if change is not None:
                yield f"{asset}, partition {key}: {change}"


def _change(before: int | None, now: int | None) -> str | None:
    if before == now:
        return None
    if before is None:
        return f"generation {now} was committed"
    return f"generation {now}, was {before}" if now is not None else "is no input any more"
