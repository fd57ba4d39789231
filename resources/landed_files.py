"""Files that others leave in a folder or under an S3 prefix, as a listing shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs

from ..contract.errors import SourceUnreadableError
from .offline.stored_files import folder as opened


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file as it stands in a listing.

    Attributes:
        path: Below the folder that was listed, with `/`.
        modified_ns: Nanoseconds since 1970, by the clock of whoever keeps the files; often cut to
            milliseconds, or seconds.
    """

    path: str
    size: int
    modified_ns: int


def landed_files(folder: str, storage_options: Mapping[str, str] | None = None) -> list[LandedFile]:
    """All files below a folder, to any depth, by path; there may be none.

    Raises:
        SourceUnreadableError: The folder is not there, or cannot be listed.
    """
    if "://" not in folder and not Path(folder).is_dir():
        raise _unreadable(folder, "there is no such folder")
    try:
        found = opened(folder, storage_options or {}).get_file_info(
            pyarrow.fs.FileSelector("", recursive=True, allow_not_found=True)
        )
    except OSError as error:
        raise _unreadable(folder, str(error)) from error
    files = [each for each in found if each.type == pyarrow.fs.FileType.File]
    return sorted(
        (LandedFile(each.path, each.size, each.mtime_ns) for each in files),
        key=lambda file: file.path,
    )


def _unreadable(folder: str, reason: str) -> SourceUnreadableError:
    return SourceUnreadableError(
        source=folder,
        reason=reason,
        remedy="check that the folder exists, and may be read by Dagster's processes",
    )
