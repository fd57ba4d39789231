"""Small files of the offline store beside its tables, in a folder or on S3 alike."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from shutil import rmtree

import pyarrow.fs

# `deltalake.fs` wraps the same handler in a pyarrow file, which writes by buffers: it takes bytes.
from deltalake._internal import DeltaFileSystemHandler

from ...contract.errors import StoreUnavailableError
from .full_disk import store_full
from .stored_files import absent_files

_FOLDER = pyarrow.fs.FileType.Directory


class ObjectFiles:
    """Files under the store's root, by paths relative to it.

    A file is written as a whole or not at all; two writers of one path leave the later one's.
    """

    def __init__(self, root: str, storage_options: Mapping[str, str]) -> None:
        """Name the place; nothing is read or written yet."""
        self._root, self._options = root, dict(storage_options)

    def read(self, path: str) -> bytes | None:
        """What a file holds; `None` where there is none.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        if self._is_absent():
            return None
        try:
            file = self._handler().open_input_file(path)
            return bytes(file.read(file.size()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unavailable(path, error) from error

    def write(self, path: str, content: bytes) -> None:
        """Make this the content of a file.

        Raises:
            StoreFullError: There is no room left.
            StoreUnavailableError: The store cannot be written.
        """
        try:
            if "://" not in self._root:
                Path(self._root).mkdir(parents=True, exist_ok=True)
            stream = self._handler().open_output_stream(path)
            stream.write(content)
            stream.close()  # type: ignore[attr-defined]  # missing from deltalake's stub
        except OSError as error:
            full = store_full(self._root, path, error)
            raise full or self._unavailable(path, error) from error

    def missing(self, paths: list[str]) -> list[str]:
        """Those of the paths where no file is."""
        if self._is_absent():
            return paths
        try:
            return absent_files(self._root, self._options, paths)
        except OSError as error:
            raise self._unavailable(self._root, error) from error

    def names(self, folder: str, suffix: str) -> list[str]:
        """The names of the files directly in a folder that end so; none where there is no folder.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        return list(self.written(folder, suffix))

    def written(self, folder: str, suffix: str) -> dict[str, datetime]:
        """When each of the files was written that `names` gives.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        files = [each for each in self._listed(folder) if each.type is pyarrow.fs.FileType.File]
        return {each.base_name: each.mtime for each in files if each.base_name.endswith(suffix)}

    def folders(self, folder: str) -> list[str]:
        """The names of the folders directly in a folder; none where there is no folder.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        return [each.base_name for each in self._listed(folder) if each.type is _FOLDER]

    def changed_at(self, path: str) -> datetime | None:
        """When a file was written; `None` where there is none.

        Raises:
            StoreUnavailableError: The store cannot be read.
        """
        if self._is_absent():
            return None
        try:
            (found,) = self._handler().get_file_info([path])
        except OSError as error:
            raise self._unavailable(path, error) from error
        changed: datetime | None = found.mtime
        return changed

    def remove_file(self, path: str) -> None:
        """Remove a file; nothing where there is none.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        try:
            self._handler().delete_file(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unavailable(path, error) from error

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it; nothing where there is none.

        Raises:
            StoreUnavailableError: The store cannot be written.
        """
        try:
            if "://" in self._root:
                self._handler().delete_dir(folder)
            else:  # where a folder without files would stay
                rmtree(Path(self._root) / folder, ignore_errors=True)
        except OSError as error:
            raise self._unavailable(folder, error) from error

    def _listed(self, folder: str) -> list[pyarrow.fs.FileInfo]:
        if self._is_absent():
            return []
        try:
            found = self._handler().get_file_info_selector(folder, True, False)  # noqa: FBT003 - positional only
        except OSError as error:
            raise self._unavailable(folder, error) from error
        return sorted(found, key=lambda each: str(each.base_name))

    def _is_absent(self) -> bool:
        return "://" not in self._root and not Path(self._root).is_dir()

    def _handler(self) -> DeltaFileSystemHandler:
        return DeltaFileSystemHandler(self._root, self._options)

    def _unavailable(self, path: str, error: OSError) -> StoreUnavailableError:
        return StoreUnavailableError(store=f"{self._root}/{path}", reason=str(error))
