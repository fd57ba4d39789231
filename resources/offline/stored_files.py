"""Files beside Delta's own interface, in a local folder or an object store alike."""

from collections.abc import Mapping, Sequence

import pyarrow.fs
from deltalake.fs import DeltaStorageHandler


def folder(uri: str, storage_options: Mapping[str, str]) -> pyarrow.fs.FileSystem:
    """A folder as a file system of its own; paths are relative to it, spelled as on disk."""
    return pyarrow.fs.PyFileSystem(DeltaStorageHandler(uri, dict(storage_options)))


def absent_files(uri: str, storage_options: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Which of these files of a folder are not there, in the given order."""
    if not names:
        return []
    found = folder(uri, storage_options).get_file_info(list(names))
    return [
        name
        for name, file in zip(names, found, strict=True)
        if file.type is pyarrow.fs.FileType.NotFound
    ]
