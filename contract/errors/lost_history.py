"""What was read once is gone, or is something else by now."""

from collections.abc import Sequence

from .root import HeadraceError


class HistoryError(HeadraceError):
    """What was read once is not there any more, or is something else by now."""


class TableVersionGoneError(HistoryError):
    """A version of a feature table cannot be read any more."""

    def __init__(self, *, group: str, version: int, reason: str) -> None:
        """Name the group and its version, the Delta version of its table, and what became of it."""
        self.group, self.version, self.reason = group, version, reason
        super().__init__(f"version {version} of the table of {group} is gone: {reason}")


class SpineGoneError(HistoryError):
    """The spine of a training set is not kept where its receipt says."""

    def __init__(self, *, spine: str, part: str, store: str) -> None:
        """Name the spine by its hash, the part that is missing, and the store."""
        self.spine, self.part, self.store = spine, part, store
        super().__init__(
            f"the spine {spine} is gone: {store} does not keep its part {part};"
            " give the spine with --spine"
        )


class ContentDiffersError(HistoryError):
    """A spine, or what was joined to it, is not what the receipt says."""

    def __init__(self, *, what: str, expected: str, found: str, columns: Sequence[str]) -> None:
        """Say what differs (`spine`, `training set`), both hashes, and in which columns."""
        self.what, self.expected, self.found = what, expected, found
        self.columns = tuple(columns)
        where = f"in {', '.join(columns)}" if columns else "in the order of its columns"
        super().__init__(
            f"the {what} has hash {found}, the receipt says {expected}: it differs {where}"
        )
