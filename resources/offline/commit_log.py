"""What a table's Delta log says about its partitions, read once and then only where it grew.

Every commit of ours carries a JSON list in its `commitInfo`, an entry per partition. Entries, not
files, say which partitions are committed: an empty one has no file, and a compaction moves files
without computing anything.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from types import MappingProxyType
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from ...contract.document import digest
from ...contract.errors import DamagedTableError
from .damage import commit_informations, explained
from .file_listing import StoredFile, listed, names
from .gathered_log import WORTH_IT, gathered
from .stored_files import absent_files
from .table_spec import BUCKETS

ENTRIES = "headrace"
"""The key of our entries in a commit's metadata."""
DOCUMENT = "headrace.document"
"""The key of a group's document, in the first commit that was made under it."""
_KEPT_LISTINGS = 4
_OPERATION, _VACUUM = "operation", "VACUUM START"  # said before the first file is removed
LEARNT = (ENTRIES, DOCUMENT, _OPERATION)  # of what a commit says


@dataclass(frozen=True, slots=True)
class Commit:
    """One computation of one partition, as it stands in the table's log.

    Attributes:
        partition: The partition's key.
        generation: 1 for the first computation of the partition, then one more for each.
        version: The Delta version that the commit made.
        rows: How many rows the partition then had; 0 is a state like any other.
        identity: What it was computed from; the same identity again is no new computation.
        committed_at: By the real clock; never decreases from one version of a table to the next.
        publish: `"auto"`, or `"deferred"` when it waits for somebody to publish it.
        document: The digest of the group's document under which it was made, if there is one.
        no_op: Whether this very call found the commit in place and wrote nothing.
    """

    partition: str
    generation: int
    version: int
    rows: int
    identity: str
    committed_at: datetime
    run_id: str
    code_version: str
    verdicts: Mapping[str, Any]
    publish: str = "auto"
    document: str | None = None
    no_op: bool = False

    def to_entry(self) -> dict[str, Any]:
        """The commit's entry; the version is not in it, the log gives that."""
        return {
            "partition": self.partition,
            "generation": self.generation,
            "rows": self.rows,
            "identity": self.identity,
            "committed_at": self.committed_at.astimezone(UTC).isoformat(),
            "run_id": self.run_id,
            "code_version": self.code_version,
            "verdicts": dict(self.verdicts),
            "publish": self.publish,
            "document": self.document,
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any], version: int) -> "Commit":
        """The commit that an entry at a version describes."""
        committed_at = datetime.fromisoformat(entry["committed_at"])
        return cls(**{**entry, "version": version, "committed_at": committed_at})


@dataclass(slots=True)
class CommitLog:
    """The log of one table; threads may share it, and so may the tables of one store.

    Attributes:
        uri: The table's address; there may be no table yet.
        check_store: Called before every commit; refuses a store that would lose it.
        vacuumed: Files of versions before this one may have been removed.
    """

    uri: str
    storage_options: Mapping[str, str]
    check_store: Callable[[], None]
    vacuumed: int = -1
    handle: DeltaTable | None = None
    commits: list[Commit] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    declared: list[tuple[int, str]] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)
    _files: dict[int, tuple[StoredFile, ...]] = field(default_factory=dict)
    _known: int = -1

    def refresh(self) -> int:
        """Read what was committed since the last call; the newest version, -1 without a table.

        Raises:
            StoreUnavailableError: The log cannot be read.
            DamagedTableError: A file of the log is missing, empty or cut short.
        """
        with self.lock:
            version, news = self._news()
            self._learn_all(sorted(news, key=lambda item: int(item["version"])))
            self._known = version
            return version

    def opened(self) -> DeltaTable:
        """The table at the version that the last refresh found.

        Raises:
            TableNotFoundError: There is no table yet.
        """
        if self.handle is None:
            self.handle = DeltaTable(self.uri, storage_options=dict(self.storage_options))
        return self.handle

    def buckets(self) -> int:
        """How many entity buckets the table was created with."""
        return int(self.opened().metadata().configuration.get(BUCKETS) or 1)

    def newest(self, version: int) -> Mapping[str, Commit]:
        """The newest commit of each partition at a version, by partition key in order."""
        with self.lock:
            newest = {
                commit.partition: commit for commit in self.commits if commit.version <= version
            }
        return MappingProxyType(dict(sorted(newest.items())))

    def commit(self, partition: str, generation: int) -> Commit:
        """The commit that made a generation of a partition.

        Raises:
            KeyError: The log holds no such commit.
        """
        with self.lock:
            for commit in reversed(self.commits):
                if (commit.partition, commit.generation) == (partition, generation):
                    return commit
        raise KeyError((partition, generation))

    def last_version(self, partition: str, generation: int) -> int:
        """The last version at which a generation was in force: the newest one, if it still is.

        Its files are those that a vacuum removes last: a compaction may have replaced the ones that
        the generation was committed with.
        """
        with self.lock:
            later = (
                commit.version
                for commit in self.commits
                if commit.partition == partition and commit.generation > generation
            )
            replaced = next(later, None)
            return self._known if replaced is None else replaced - 1

    def document(self, version: int) -> bytes | None:
        """The group's document in force at a version."""
        with self.lock:
            names = [name for at, name in self.declared if at <= version]
            return self.documents[names[-1]] if names else None

    def version_known_at(self, instant: datetime) -> int:
        """The newest version whose computations had all been committed by an instant.

        Compactions, which compute nothing, are counted to the computation before them.
        """
        with self.lock:
            later = (commit.version for commit in self.commits if commit.committed_at > instant)
            first_later = next(later, None)
            if first_later is None:
                return self._known if self.commits else -1
            earlier = [commit for commit in self.commits if commit.version < first_later]
            return first_later - 1 if earlier else -1

    def next_instant(self) -> datetime:
        """The `committed_at` of a commit that is made now."""
        now, last = datetime.now(UTC), self.commits[-1:]
        return max([now, *(each.committed_at + timedelta(microseconds=1) for each in last)])

    def files(self, version: int, partition_column: str | None) -> tuple[StoredFile, ...]:
        """The data files of a version, by partition, bucket and address."""
        with self.lock:
            if version not in self._files:
                if len(self._files) >= _KEPT_LISTINGS:
                    del self._files[next(iter(self._files))]
                table = self.handle
                if table is None or table.version() != version:
                    table = DeltaTable(self.uri, version, dict(self.storage_options))
                self._files[version] = listed(table, self.uri, partition_column)
            return self._files[version]

    def missing(self, version: int, files: Sequence[StoredFile]) -> list[str]:
        """Which files of a version were vacuumed; looks for those alone that may have been."""
        with self.lock:
            if version >= self.vacuumed or self.handle is None:
                return []
            newest = names(self.handle)
            named = (file.uri.removeprefix(f"{self.uri}/") for file in files)
            doubtful = [name for name in named if name not in newest]
        return absent_files(self.uri, self.storage_options, doubtful)

    def _news(self) -> tuple[int, list[dict[str, Any]]]:
        """The newest version, and what stands in the log since the last refresh.

        delta-rs reads the newest entries that there are, and counts their versions down from the
        handle's. A commit that arrives in between would shift them all, so then it is read again.
        """
        version, news = self._open(), list[dict[str, Any]]()
        if self._known < 0 and version >= WORTH_IT:
            self._recall(version)
        while self.handle is not None and version > self._known:
            with self._errors():
                news = self.handle.history(limit=version - self._known)
            seen, version = version, self._open()
            if version == seen:
                break
        if len(news) < version - self._known:
            # Counting down is right only where every version has its entry.
            after = self._known + 1
            with self._errors():
                news = commit_informations(self.uri, self.storage_options, after, version)
        return version, news

    def _recall(self, version: int) -> None:
        """Learn what maintenance gathered of the log: then only what came since is read."""
        found = gathered(self.uri, self.storage_options)
        if found.covers <= version:
            self._learn_all(found.informations)
            self._known = found.covers

    def _open(self) -> int:
        with self._errors():
            try:
                if self.handle is not None:
                    self.handle.update_incremental()
                return int(self.opened().version())
            except TableNotFoundError:
                return -1

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError) as error:
            raise explained(self.uri, self.storage_options, error) from error

    def _learn_all(self, informations: Sequence[Mapping[str, Any]]) -> None:
        for information in informations:
            version = int(information["version"])
            self._learn(information, version)
            self._known = version  # should the next one be damaged, none is learnt twice

    def _learn(self, information: Mapping[str, Any], version: int) -> None:
        if information.get(_OPERATION) == _VACUUM:
            self.vacuumed = version
        if DOCUMENT in information:
            document = str(information[DOCUMENT]).encode()
            self.documents[digest(document)] = document
            self._declare(version, digest(document))
        made = self._made(information, version)
        if self.commits and made and made[0].committed_at <= self.commits[-1].committed_at:
            # Processes that committed at once: the later version counts as later.
            after = self.commits[-1].committed_at + timedelta(microseconds=1)
            made = [replace(commit, committed_at=after) for commit in made]
        self.commits += made
        if made and made[0].document is not None:
            self._declare(version, made[0].document)

    def _made(self, information: Mapping[str, Any], version: int) -> list[Commit]:
        try:
            entries = json.loads(information.get(ENTRIES, "[]"))
            return [Commit.from_entry(entry, version) for entry in entries]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedTableError(
                table=self.uri,
                version=version,
                problem=f"what its commit says of its partitions cannot be read ({error!r})",
                remedy="upgrade this process, or restore the commit from a copy of the store",
            ) from error

    def _declare(self, version: int, name: str) -> None:
        if not self.declared or self.declared[-1][1] != name:
            self.declared.append((version, name))
