"""What is wrong with a table's log: looked for, file by file, when it cannot be read as a whole.

delta-rs says that something failed; who has to repair it needs the file. Nothing is changed here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow.fs
import pyarrow.lib
import pyarrow.parquet

from ...contract.errors import DamagedTableError, HeadraceError, StoreUnavailableError
from .full_disk import store_full
from .stored_files import folder

_LOG = "_delta_log"
_HINT = f"{_LOG}/_last_checkpoint"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")

_FILES_AT_ONCE = 8  # reading one waits for the store, more than it works

_EMPTY = "it is empty"
_RESTORE = "restore the file from a copy of the store"
_REMOVE_NEWEST = f"{_RESTORE}, or remove it and do again what it committed"
_REMOVE_CHECKPOINT = (
    f"remove it and {_HINT}: both are written again, and say nothing that the commits do not"
)


@dataclass(frozen=True, slots=True)
class _Log:
    """The files of a log, and what is in them."""

    files: pyarrow.fs.FileSystem
    commits: Mapping[int, pyarrow.fs.FileInfo]
    checkpoints: Mapping[int, pyarrow.fs.FileInfo]

    @classmethod
    def of(cls, uri: str, storage_options: Mapping[str, str]) -> "_Log":
        files = folder(uri, storage_options)
        found = files.get_file_info(pyarrow.fs.FileSelector(_LOG, allow_not_found=True))
        return cls(files, _by_version(_COMMIT, found), _by_version(_CHECKPOINT, found))

    def read(self, path: str) -> bytes:
        with self.files.open_input_stream(path) as stream:
            return bytes(stream.read())

    def actions(self, version: int) -> list[dict[str, Any]]:
        """What a commit did; an error says that it cannot be read."""
        lines = self.read(self.commits[version].path).splitlines()
        if not lines:
            raise ValueError(_EMPTY)
        return [json.loads(line) for line in lines]

    def informations(self, version: int) -> list[dict[str, Any]]:
        """What a commit says about itself."""
        said = (each["commitInfo"] for each in self.actions(version) if "commitInfo" in each)
        return [{**each, "version": version} for each in said]


def commit_file(version: int) -> str:
    """Where a commit lies under its table."""
    return f"{_LOG}/{version:020}.json"


def commit_informations(
    uri: str, storage_options: Mapping[str, str], first: int, last: int
) -> list[dict[str, Any]]:
    """What stands in the log about each commit from one version to another, read file by file.

    For logs that have not one entry for each version. Commits of other writers need not say
    anything about themselves. But a log that was cleaned up, or lost a file, does not know any more
    what was committed there, and a partition must not vanish without a word.

    Raises:
        DamagedTableError: A file is missing, or cannot be read.
    """
    log, versions = _Log.of(uri, storage_options), range(first, last + 1)
    try:
        with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
            return [each for its in threads.map(log.informations, versions) for each in its]
    except (KeyError, ValueError):  # no such file, or nothing that could be read: which one?
        for damaged in _damaged_commits(uri, log, versions):
            raise damaged from None
        raise


def explained(
    uri: str, storage_options: Mapping[str, str], error: Exception, unwritten: str = "a commit"
) -> HeadraceError:
    """What made delta-rs fail: damage that is found in the table's log, else what it says itself.

    What the operating system or the network says is no damage, and a store that cannot be listed is
    unavailable, whatever it holds.

    Args:
        uri: The table's address.
        storage_options: Of its store.
        error: What was raised.
        unwritten: What is not there now if the disk is full.
    """
    full = store_full(uri, unwritten, error)
    if full is not None:
        return full
    if isinstance(error, OSError):
        return StoreUnavailableError(store=uri, reason=str(error))
    try:
        damaged = next(_found(uri, _Log.of(uri, storage_options)), None)
    except OSError as unavailable:
        return StoreUnavailableError(store=uri, reason=str(unavailable))
    return damaged or StoreUnavailableError(store=uri, reason=str(error))


def _found(uri: str, log: _Log) -> Iterator[DamagedTableError]:
    newest = max(log.checkpoints, default=-1)
    yield from _damaged_checkpoint(uri, log, newest)
    yield from _damaged_commits(uri, log, range(newest + 1, max(log.commits, default=-1) + 1))


def _damaged_checkpoint(uri: str, log: _Log, newest: int) -> Iterator[DamagedTableError]:
    if newest < 0:
        if log.files.get_file_info(_HINT).type is pyarrow.fs.FileType.File:
            yield DamagedTableError(
                table=uri,
                version=None,
                problem=f"{_HINT} names a checkpoint, and there is none",
                remedy="remove it",
            )
        return
    path = log.checkpoints[newest].path
    try:
        with log.files.open_input_file(path) as file:
            pyarrow.parquet.ParquetFile(file)
    except (pyarrow.lib.ArrowException, OSError) as error:
        yield DamagedTableError(
            table=uri,
            version=newest,
            problem=f"the checkpoint {path} cannot be read ({error})",
            remedy=_REMOVE_CHECKPOINT if min(log.commits, default=1) == 0 else _RESTORE,
        )


def _damaged_commits(uri: str, log: _Log, versions: range) -> Iterator[DamagedTableError]:
    for version in versions:
        path, remedy = commit_file(version), _RESTORE
        if version not in log.commits:
            problem = f"{path} is missing"
        else:
            try:
                log.actions(version)
                continue
            except ValueError as error:
                problem = f"{path} cannot be read ({error})"
            if version == versions[-1]:
                remedy = _REMOVE_NEWEST
        yield DamagedTableError(table=uri, version=version, problem=problem, remedy=remedy)


def _by_version(
    pattern: re.Pattern[str], found: list[pyarrow.fs.FileInfo]
) -> dict[int, pyarrow.fs.FileInfo]:
    matches = ((pattern.fullmatch(each.base_name), each) for each in found)
    return {int(match[1]): each for match, each in matches if match}
