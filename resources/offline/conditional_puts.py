"""Whether an object store refuses a put under a name that is taken: what Delta commits rest on.

Two writers of one Delta version put the same object, with `If-None-Match: *`. A store that ignores
the header takes both, and what the first one committed is gone without an error anywhere.
"""

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Literal, TypeAlias

import polars as pl
import pyarrow.fs
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler

from ...contract.errors import StoreUnavailableError, UnsafeStoreError

_Outcome: TypeAlias = Literal["won", "refused", "too late"] | Exception

_FOLDER = "_headrace_probe"
_WRITERS = 4
_RACES = 20
_COLUMNS = pl.Schema({"probe": pl.Int64()})


def require_conditional_puts(root: str, storage_options: Mapping[str, str]) -> None:
    """Let writers race for the first commit of a small table, and remove the table again.

    They write as all our commits are written, by delta-rs with the same options, so what is proved
    is what counts. delta-rs looks before it puts: a race decides only when some writer looked
    before the winner had put. It is repeated until one decides; nearly always the first one does.

    Raises:
        UnsafeStoreError: Several writers won.
        StoreUnavailableError: The store cannot be written to, or no race decided.
    """
    folder = f"{_FOLDER}/{uuid.uuid4().hex}"
    try:
        for number in range(_RACES):
            outcomes = _race(f"{root}/{folder}/{number}", storage_options)
            if outcomes.count("won") > 1:
                raise UnsafeStoreError(store=root)
            if "won" not in outcomes:
                reason = next(each for each in outcomes if isinstance(each, Exception))
                raise StoreUnavailableError(store=root, reason=str(reason)) from reason
            if "refused" in outcomes:
                return
        raise StoreUnavailableError(
            store=root, reason=f"in {_RACES} trials no two writers met; it may be overloaded"
        )
    finally:
        _remove(root, storage_options, folder)


def _race(uri: str, storage_options: Mapping[str, str]) -> list[_Outcome]:
    barrier = Barrier(_WRITERS)

    def create(_: int) -> _Outcome:
        barrier.wait()
        try:
            DeltaTable.create(
                uri,
                Schema.from_arrow(_COLUMNS),
                storage_options=dict(storage_options),
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except CommitFailedError:
            return "refused"
        except DeltaError as error:
            return "too late" if "already exists" in str(error) else error
        except OSError as error:
            return error
        return "won"

    with ThreadPoolExecutor(_WRITERS) as writers:
        return list(writers.map(create, range(_WRITERS)))


def _remove(root: str, storage_options: Mapping[str, str], folder: str) -> None:
    files = pyarrow.fs.PyFileSystem(DeltaStorageHandler(root, dict(storage_options)))
    with suppress(OSError):  # who may not delete has lost a few hundred bytes
        files.delete_dir(folder)
