"""What delta-rs raises, in our words."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from deltalake.exceptions import CommitFailedError, DeltaError

from ...contract.errors import CommitConflictError
from .damage import explained


class StoreErrors(AbstractContextManager[None]):
    """Says in our words what delta-rs raises about a partition; an unknown error passes.

    Raises:
        CommitConflictError: Another process committed the partition at the same time.
        StoreFullError: There is no room left.
        DamagedTableError: A file of the table's log is missing, empty or cut short.
        StoreUnavailableError: The store's files cannot be read or written.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str], partition: str) -> None:
        """Name the table by its address, and what is written."""
        self.uri, self.storage_options, self.partition = uri, storage_options, partition

    def __enter__(self) -> None:
        """Nothing is done before something fails."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate what was raised."""
        if isinstance(error, CommitFailedError):
            raise CommitConflictError(
                table=self.uri, partition=self.partition, reason=str(error)
            ) from error
        # Its children say something else than that files cannot be read or written.
        if isinstance(error, OSError) or type(error) is DeltaError:
            unwritten = f"partition {self.partition}"
            raise explained(self.uri, self.storage_options, error, unwritten) from error
