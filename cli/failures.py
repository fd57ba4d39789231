"""Errors of the command line itself: what it started failed."""

from collections.abc import Sequence

from ..contract.errors import DataError, EnvironmentConflictError

_SHOWN = 5


class RunFailedError(DataError):
    """A Dagster run failed that the command cannot go on without."""

    def __init__(self, *, run_id: str, failures: Sequence[str]) -> None:
        """Name the run, and what failed in it."""
        self.run_id, self.failures = run_id, tuple(failures)
        more = f"; and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        super().__init__(f"run {run_id} failed: {'; '.join(failures[:_SHOWN])}{more}")


class ProofFailedError(DataError):
    """What is served is not what was committed."""

    def __init__(self, *, what: str, count: int, of: int) -> None:
        """Say how many of what differ."""
        self.what, self.count, self.of = what, count, of
        super().__init__(
            f"{count} of {of} {what} are not what is committed; `headrace verify` names them"
        )


class ServiceFailedError(EnvironmentConflictError):
    """A process that this command started ended by itself, or never answered."""

    def __init__(self, *, service: str, status: int | None, last_line: str, log: str) -> None:
        """Name the service, its exit status if it ended, and the last thing that it said."""
        self.service, self.status, self.last_line, self.log = service, status, last_line, log
        ended = "does not answer" if status is None else f"ended with status {status}"
        super().__init__(f"{service} {ended}: {last_line} (all it said: {log})")
