"""Every error that Headrace raises on purpose.

    HeadraceError
    ├── DefinitionError                  a declaration is wrong; raised at import
    ├── RequestError                     what a caller asked for cannot be answered
    │   ├── InvalidFeatureReferenceError
    │   ├── UnknownNameError             with the nearest names
    │   ├── InvalidEntityError           a join key is missing, unknown or of the wrong type
    │   ├── InvalidArgumentError
    │   ├── TooLargeError
    │   ├── ContractChangedError         a generated client is of another contract than the server
    │   └── RefusedRequestError          what a client raises for what the feature server said
    ├── VersionError                     a version of a group cannot be what was asked
    │   ├── VersionRefusedError          it cannot go live, back, or away
    │   └── VersionDroppedError          it was dropped, and never comes back
    ├── ApprovalError                    what waits for approval cannot be committed as asked
    │   ├── NothingHeldError
    │   └── HeldOutdatedError
    ├── DataError                        rows were refused; nothing was written
    │   ├── ColumnMismatchError
    │   ├── RowsOutsidePartitionError
    │   ├── DuplicateRowsError
    │   ├── SchemaChangeError
    │   ├── SourceUnreadableError
    │   ├── PartitionOutOfRangeError
    │   ├── InputNotCommittedError
    │   ├── FunctionFailedError          an author's function raised it
    │   ├── EntitiesMixedError           a shard made rows of entities that are not its own
    │   └── ShardFailedError             a shard made no rows, so that nothing was committed
    ├── HistoryError                     what was read once is gone, or is something else by now
    │   ├── TableVersionGoneError
    │   ├── SpineGoneError
    │   └── ContentDiffersError
    ├── StoreError                       a store did not do what it was asked
    │   ├── StoreUnavailableError
    │   ├── DamagedTableError            files of an offline table are missing, or cut short
    │   ├── StateLostError               the online store lost what says how far it is complete
    │   ├── HistoryLostError             the online store may have lost writes of this publish
    │   ├── NotReplicatedError           too few replicas have the rows of this publish
    │   ├── UnsupportedStoreError        the online store is of a kind that cannot be published to
    │   ├── CatalogueError               the online store's catalogue cannot be read
    │   ├── IdsExhaustedError            the online store has no id left for another group version
    │   ├── FencedError                  a newer computation of the partition is being published
    │   ├── EvictionPolicyError
    │   ├── UnsafeStoreError             the offline store would lose commits
    │   ├── StoreFullError               the offline store has no room left
    │   ├── OutOfMemoryError
    │   ├── ReceiptUnreadableError
    │   └── CommitConflictError
    ├── GroupCheckError                  a feature group does not keep its word on its test's frames
    │   ├── RowsRefusedError             its rows would not be committed
    │   ├── PointInTimeError             it reads rows that it does not declare
    │   ├── NotRepeatableError           the same rows again, and something else comes out
    │   └── LineageDiffersError
    ├── ServerError                      the feature server did not answer a client
    ├── CallError                        the feature server cannot answer a call now
    │   ├── OverloadedError
    │   ├── LimitReachedError            a caller, a feature group or the server is at its limit
    │   └── DeadlineExceededError
    ├── AlertUndeliveredError            the webhook for alerts did not take them
    └── EnvironmentConflictError         this process cannot run here as asked
        ├── HomeInUseError
        ├── HomeUnusableError
        ├── PortTakenError
        ├── OutputUnwritableError        a file that was asked for cannot be written
        ├── WorkerFailedError            a worker of the feature server ended as it began
        └── ClockConflictError

A class builds its message from typed fields and keeps them as attributes. How an error reaches a
caller (gRPC status, exit status) is decided at the edge, in one table each.
"""

from .calls import (
    AlertUndeliveredError,
    CallError,
    DeadlineExceededError,
    LimitReachedError,
    OverloadedError,
    ServerError,
)
from .declared import (
    DefinitionError,
    GroupCheckError,
    LineageDiffersError,
    NotRepeatableError,
    PointInTimeError,
    RowsRefusedError,
)
from .environment import (
    ClockConflictError,
    EnvironmentConflictError,
    HomeInUseError,
    HomeUnusableError,
    OutputUnwritableError,
    PortTakenError,
    WorkerFailedError,
)
from .lost_history import ContentDiffersError, HistoryError, SpineGoneError, TableVersionGoneError
from .refused_data import (
    ColumnMismatchError,
    DataError,
    DuplicateRowsError,
    EntitiesMixedError,
    FunctionFailedError,
    InputNotCommittedError,
    PartitionOutOfRangeError,
    RowsOutsidePartitionError,
    SchemaChangeError,
    ShardFailedError,
    SourceUnreadableError,
)
from .requested import (
    ContractChangedError,
    InvalidArgumentError,
    InvalidEntityError,
    InvalidFeatureReferenceError,
    RefusedRequestError,
    RequestError,
    TooLargeError,
    UnknownNameError,
)
from .root import HeadraceError
from .stores import (
    CatalogueError,
    CommitConflictError,
    DamagedTableError,
    EvictionPolicyError,
    FencedError,
    HistoryLostError,
    IdsExhaustedError,
    NotReplicatedError,
    OutOfMemoryError,
    ReceiptUnreadableError,
    StateLostError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    UnsafeStoreError,
    UnsupportedStoreError,
)
from .versions import (
    ApprovalError,
    HeldOutdatedError,
    NothingHeldError,
    VersionDroppedError,
    VersionError,
    VersionRefusedError,
)

__all__ = [
    "AlertUndeliveredError",
    "ApprovalError",
    "CallError",
    "CatalogueError",
    "ClockConflictError",
    "ColumnMismatchError",
    "CommitConflictError",
    "ContentDiffersError",
    "ContractChangedError",
    "DamagedTableError",
    "DataError",
    "DeadlineExceededError",
    "DefinitionError",
    "DuplicateRowsError",
    "EntitiesMixedError",
    "EnvironmentConflictError",
    "EvictionPolicyError",
    "FencedError",
    "FunctionFailedError",
    "GroupCheckError",
    "HeadraceError",
    "HeldOutdatedError",
    "HistoryError",
    "HistoryLostError",
    "HomeInUseError",
    "HomeUnusableError",
    "IdsExhaustedError",
    "InputNotCommittedError",
    "InvalidArgumentError",
    "InvalidEntityError",
    "InvalidFeatureReferenceError",
    "LimitReachedError",
    "LineageDiffersError",
    "NotRepeatableError",
    "NotReplicatedError",
    "NothingHeldError",
    "OutOfMemoryError",
    "OutputUnwritableError",
    "OverloadedError",
    "PartitionOutOfRangeError",
    "PointInTimeError",
    "PortTakenError",
    "ReceiptUnreadableError",
    "RefusedRequestError",
    "RequestError",
    "RowsOutsidePartitionError",
    "RowsRefusedError",
    "SchemaChangeError",
    "ServerError",
    "ShardFailedError",
    "SourceUnreadableError",
    "SpineGoneError",
    "StateLostError",
    "StoreError",
    "StoreFullError",
    "StoreUnavailableError",
    "TableVersionGoneError",
    "TooLargeError",
    "UnknownNameError",
    "UnsafeStoreError",
    "UnsupportedStoreError",
    "VersionDroppedError",
    "VersionError",
    "VersionRefusedError",
    "WorkerFailedError",
]
