"""This process cannot run here as asked."""

from .root import HeadraceError


class EnvironmentConflictError(HeadraceError):
    """This process cannot run here as asked."""


class HomeInUseError(EnvironmentConflictError):
    """Another `headrace up` runs on the same home."""

    def __init__(self, *, home: str, pid: int) -> None:
        """Name the home and the process that holds it."""
        self.home, self.pid = home, pid
        super().__init__(
            f"another `headrace up` (process {pid}) runs on {home};"
            " stop it, or set HEADRACE_HOME to another folder",
        )


class HomeUnusableError(EnvironmentConflictError):
    """The folder that holds an installation's state cannot be used."""

    def __init__(self, *, home: str, reason: str) -> None:
        """Name the home and what the operating system said."""
        self.home, self.reason = home, reason
        super().__init__(
            f"HEADRACE_HOME {home} cannot be used: {reason};"
            " make room or rights there, or set it to another folder",
        )


class PortTakenError(EnvironmentConflictError):
    """A port that was asked for is in use."""

    def __init__(self, *, address: str, purpose: str, option: str) -> None:
        """Name the address, what it was for and the option that changes it."""
        self.address, self.purpose, self.option = address, purpose, option
        super().__init__(f"{address} is in use, wanted for {purpose}; choose another with {option}")


class OutputUnwritableError(EnvironmentConflictError):
    """A file or folder that was asked for cannot be written; nothing of it was left behind."""

    def __init__(self, *, path: str, reason: str) -> None:
        """Name the path and what the operating system said."""
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} cannot be written: {reason}; make room or rights there, or name another place"
        )


class WorkerFailedError(EnvironmentConflictError):
    """A worker of the feature server ended before it served."""

    def __init__(self, *, number: int, status: int) -> None:
        """Give its number and its exit status; negative is the signal that ended it."""
        self.number, self.status = number, status
        super().__init__(
            f"worker {number} of the feature server ended before it served (exit status {status});"
            " what it said above says why",
        )


class ClockConflictError(EnvironmentConflictError):
    """`HEADRACE_CLOCK` differs from the one that this home was created with."""

    def __init__(self, *, home: str, recorded: str, asked: str) -> None:
        """Name both clocks."""
        self.home, self.recorded, self.asked = home, recorded, asked
        super().__init__(
            f"HEADRACE_CLOCK is {asked}, but {home} runs at {recorded};"
            " unset it to join, or choose another HEADRACE_HOME",
        )
