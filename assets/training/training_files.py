"""Parquet files that a training set is written to: one, or a folder of parts; whole or not there.

Parts and files are written under a hidden name beside the place that was asked for, and moved
there when all is written. A process that dies leaves the hidden name behind, and nothing else.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from ...contract.errors import InvalidArgumentError, OutputUnwritableError

_OTHER_FORMATS = frozenset(
    {".arrow", ".avro", ".csv", ".feather", ".ipc", ".json", ".jsonl", ".ndjson", ".tsv", ".xlsx"}
)


def is_file(out: Path) -> bool:
    """Whether a name means one file: it has a suffix, as in `training.parquet`."""
    return bool(out.suffix) and not out.is_dir()


def check_out(out: Path, spine: object = None) -> None:
    """See to it, before the work is done, that a result can be written.

    Args:
        out: Where.
        spine: What is read; of a path, no file may be replaced or added there.

    Raises:
        InvalidArgumentError: The folder around it is missing, or a folder there is not empty; it is
            the spine, or lies in its folder; its suffix is that of another format.
    """
    if isinstance(spine, Path) and spine.resolve() in (out.resolve(), *out.resolve().parents):
        raise InvalidArgumentError(
            argument="out",
            problem=f"{out} is the spine's own place, which would be changed",
            remedy="name another place",
        )
    if out.suffix.lower() in _OTHER_FORMATS:
        raise InvalidArgumentError(
            argument="out",
            problem=f"{out} would be a Parquet file, and its name says another thing",
            remedy="let it end in .parquet",
        )
    if not out.absolute().parent.is_dir():
        raise InvalidArgumentError(
            argument="out",
            problem=f"{out} is in a folder that does not exist",
            remedy="create the folder, or name another place",
        )
    if not is_file(out) and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidArgumentError(
            argument="out",
            problem=f"{out} is there already",
            remedy="name a folder that is empty or does not exist,"
            " or a file with a suffix, such as .parquet",
        )


class TrainingFiles:
    """Takes the rows of a training set, part by part, in order."""

    def __init__(self, place: Path, out: Path, *, in_parts: bool) -> None:
        """Name the place, a folder or a file that exists, and what messages call it."""
        self._place, self._out, self._in_parts = place, out, in_parts
        self.count = 0
        self._waiting: list[pl.DataFrame] = []

    def add(self, part: pl.DataFrame) -> None:
        """Write the next part, or keep it for the one file."""
        if self._in_parts:
            self._write(part, self._place / f"part-{self.count:05}.parquet")
        else:
            self._waiting.append(part)
        self.count += 1

    def finish(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._write(pl.concat(self._waiting), self._place)

    def _write(self, part: pl.DataFrame, path: Path) -> None:
        with _system_errors(self._out), path.open("wb") as file:
            part.write_parquet(file)
            file.flush()
            os.fsync(file.fileno())  # the name it gets must not outlive a loss of power empty


@contextmanager
def training_files(out: Path) -> Iterator[TrainingFiles]:
    """Files at a place: all that is added in the block, once it ends without an error.

    Raises:
        OutputUnwritableError: The file system refuses; nothing is left behind.
    """
    in_parts = not is_file(out)
    target = out.absolute()
    hidden = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with _system_errors(out):
            # At once, also for a file: a place that refuses says so before the work is done.
            hidden.mkdir() if in_parts else hidden.touch()
        files = TrainingFiles(hidden, out, in_parts=in_parts)
        yield files
        files.finish()
        with _system_errors(out):
            hidden.rename(target)  # onto an empty folder, too; never onto one that is not
    finally:
        if in_parts:
            shutil.rmtree(hidden, ignore_errors=True)
        else:
            hidden.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small file, whole or not at all.

    Raises:
        OutputUnwritableError: The file system refuses.
    """
    hidden = path.absolute().with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _system_errors(path):
            hidden.write_text(text)
            hidden.rename(path)
    finally:
        hidden.unlink(missing_ok=True)


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputUnwritableError(path=str(path), reason=reason) from error
