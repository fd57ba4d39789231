"""A version of a group cannot be what was asked; held rows cannot be committed as asked."""

from collections.abc import Sequence

from .root import HeadraceError

_LISTED = 10


class VersionError(HeadraceError):
    """A version of a feature group cannot be what was asked of it."""


class VersionRefusedError(VersionError):
    """A version of a feature group cannot be made live, gone back to, or dropped."""

    def __init__(self, *, action: str, subject: str, reason: str, remedy: str) -> None:
        """Say what was asked (`promote`), of which group or version, why not and what to do."""
        self.action, self.subject, self.reason, self.remedy = action, subject, reason, remedy
        super().__init__(f"cannot {action} {subject!r}: {reason}; {remedy}")


class VersionDroppedError(VersionError):
    """A version of a feature group was dropped; it is not published again."""

    def __init__(self, *, group: str) -> None:
        """Name the version."""
        self.group = group
        super().__init__(
            f"feature group {group!r} was dropped, and its number is not used again;"
            " declare the group with the next version instead"
        )


class ApprovalError(HeadraceError):
    """What waits for approval cannot be committed as asked."""


class NothingHeldError(ApprovalError):
    """A partition that is to be approved does not wait for it."""

    def __init__(self, *, group: str, partition: str, held: Sequence[str]) -> None:
        """Name the group version, what was to be approved, and the partitions that do wait."""
        self.group, self.partition, self.held = group, partition, tuple(held)
        remedy = (
            f"these wait: {', '.join(held)}"
            if held
            else "nothing of the group waits; a group is held if it is declared with approval=True,"
            " once `headrace materialize` has computed a partition that differs"
        )
        super().__init__(
            f"{group}: partition {partition} does not wait for approval; {remedy}",
        )


class HeldOutdatedError(ApprovalError):
    """Held rows are no longer what would be computed, so nobody can approve them."""

    def __init__(self, *, group: str, partition: str, changes: Sequence[str]) -> None:
        """Name the group version, the partition, and everything that changed since."""
        self.group, self.partition, self.changes = group, partition, tuple(changes)
        more = f"; and {len(changes) - _LISTED} more" if len(changes) > _LISTED else ""
        super().__init__(
            f"{group}, partition {partition}: what is held is out of date:"
            f" {'; '.join(changes[:_LISTED])}{more}. Compute it again (`headrace materialize"
            f" {group} --partitions {partition}`), look at what is held then, and approve that"
        )
