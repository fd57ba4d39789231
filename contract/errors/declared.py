"""What a team declared is wrong, or does not keep its word on a test's frames."""

from .root import HeadraceError


class DefinitionError(HeadraceError):
    """A declaration is wrong; raised at import, before anything runs."""

    def __init__(self, *, subject: str, field: str, problem: str, remedy: str) -> None:
        """Name the declared thing, its field, what is wrong and what to do.

        The subject names kind and name: `feature group 'household_spend'`.
        """
        self.subject, self.field, self.problem, self.remedy = subject, field, problem, remedy
        super().__init__(f"{subject}, {field}: {problem}. {remedy}")


class GroupCheckError(HeadraceError):
    """A feature group does not keep its word on the frames of its test."""

    def __init__(self, *, group: str, problem: str, remedy: str) -> None:
        """Name the group, what was found, and what to do."""
        self.group, self.problem, self.remedy = group, problem, remedy
        super().__init__(f"feature group {group!r}: {problem}. {remedy}")


class RowsRefusedError(GroupCheckError):
    """The rows that a feature group computes would not be committed."""


class PointInTimeError(GroupCheckError):
    """A feature group reads rows outside the windows that it declares, or other than its inputs."""


class NotRepeatableError(GroupCheckError):
    """A feature group computes something else from the same rows."""


class LineageDiffersError(GroupCheckError):
    """Features are computed from other columns than was said."""
