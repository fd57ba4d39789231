"""The beginning of a table's log in one file, so that opening the table need not read each commit.

Delta's checkpoints list files. What commits say about themselves stands in each commit alone, and
is read one by one: on an object store a request for each. Maintenance gathers it. The file is a
copy: it names the commit that it ends with by its content, and where that is another one by now, or
the file cannot be read, the log is read as if there were none.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .damage import commit_file, commit_informations
from .object_files import ObjectFiles

WORTH_IT = 64
"""From how many commits on they are gathered; fewer are read as quickly one by one."""

# Whatever lies in a folder whose name begins with an underscore is none of Delta's business.
_PATH = "_headrace/log.json.gz"


@dataclass(frozen=True, slots=True)
class GatheredLog:
    """What the commits up to a version say about themselves.

    Attributes:
        covers: The version of the last of them; -1 for none.
        last: The digest of the file of that commit.
        informations: Of each commit that says any of the names asked, those, and `version`.
    """

    covers: int = -1
    last: str = ""
    informations: Sequence[Mapping[str, Any]] = ()


def gathered(uri: str, storage_options: Mapping[str, str]) -> GatheredLog:
    """What was gathered of a table's log, if its last commit is still the one that is there.

    Raises:
        StoreUnavailableError: The store cannot be read.
    """
    files = ObjectFiles(uri, storage_options)
    content = files.read(_PATH)
    if content is None:
        return GatheredLog()
    try:
        found = GatheredLog(**json.loads(gzip.decompress(content)))
    except (ValueError, TypeError, EOFError, OSError, zlib.error):  # the last three: gzip's words
        return GatheredLog()
    return found if _digest_of(files, found.covers) == found.last else GatheredLog()


def gather(
    uri: str, storage_options: Mapping[str, str], version: int, names: Sequence[str]
) -> int | None:
    """Gather what was committed up to a version, where that is worth it; the version, if it is.

    Idempotent, and safe beside commits and readers: the file is replaced as a whole.

    Args:
        uri: The table's address.
        storage_options: Of its store.
        version: A version that is committed.
        names: What is kept of what a commit says.

    Raises:
        DamagedTableError: A file of the log is missing, or cannot be read.
        StoreUnavailableError: The store cannot be read or written.
    """
    known = gathered(uri, storage_options)
    if version - known.covers < WORTH_IT:
        return None
    files, news = ObjectFiles(uri, storage_options), list[dict[str, Any]]()
    for each in commit_informations(uri, storage_options, known.covers + 1, version):
        said = {name: each[name] for name in names if name in each}
        news += [{"version": each["version"], **said}] if said else []
    whole = {
        "covers": version,
        "last": _digest_of(files, version),
        "informations": [*known.informations, *news],
    }
    files.write(_PATH, gzip.compress(json.dumps(whole).encode(), mtime=0))
    return version


def _digest_of(files: ObjectFiles, version: int) -> str | None:
    content = files.read(commit_file(version))
    return None if content is None else hashlib.sha256(content).hexdigest()
