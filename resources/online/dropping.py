"""Dropping a version: its rows leave the online store, without a walk over the whole store.

The table in the offline store stays, as do the id and the number, which are not used again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from ...contract import store_keys
from ...contract.document import decode_document, digest
from ...contract.errors import TableVersionGoneError, UnknownNameError, VersionRefusedError
from ...contract.feature_group import FeatureGroupSpec
from ..offline.commit_log import Commit
from ..offline.offline_store import OfflineStore
from ..offline.recorded_catalogue import RecordedCatalogue
from ..offline.table_snapshot import TableSnapshot
from ..offline.table_spec import feature_table
from .group_ids import allocated_ids
from .online_store import OnlineStore
from .opening import group_in
from .projection import buckets_of, scan_commit
from .registry import Registry
from .removal import Removal, shares
from .row_encoding import encode_keys

_COMMITS_AT_ONCE = 32
# The log says that a vacuum removed the files; or it does not, and they are not there.
_UNREADABLE = (TableVersionGoneError, OSError, pl.exceptions.PolarsError)


@dataclass(frozen=True, slots=True)
class Drop:
    """What dropping a version did.

    Attributes:
        group: `group@version`.
        rows: How many rows were freed; none when an earlier call had freed them.
        unreadable: How many former generations of partitions are gone from the offline store. Rows
            that only they held are left to the search for garbage.
    """

    group: str
    rows: int
    unreadable: int


def drop_version(
    name: str, version: int, *, online: OnlineStore, offline: OfflineStore, registry: Registry
) -> Drop:
    """Take a version out of the catalogue, and free what it holds online.

    May be repeated, and has to be after it broke off. Servers that still know the version answer
    ERROR for it until they read the catalogue again.

    Raises:
        VersionRefusedError: The version is live.
        UnknownNameError: It was never published.
        StoreUnavailableError: A store broke off; repeat the call.
    """
    reference = f"{name}@{version}"
    recorded = registry.drop(name, version)
    if (name, version) not in recorded.dropped:
        _refuse(recorded, name, version)
    group_id = allocated_ids(online).get(f"{online.namespace}/{reference}")
    if group_id is None:
        return Drop(reference, 0, 0)
    group = decode_document(recorded.dropped[name, version].document)
    removals = [Removal(part, group_id, reference) for part in online.parts()]
    for removal in removals:
        removal.retire()
    intents = group_in(online, group_id, reference).state().intents
    snapshot = offline.table(feature_table(group)).snapshot()
    entities = _Entities(group, snapshot)
    begun = [
        commit
        for commit in snapshot.log.commits
        if commit.generation <= intents.get(commit.partition, 0)
    ]
    rows = 0
    for part in entities.of(begun):
        for server, keys in shares(online, encode_keys(group, group_id, part)):
            rows += Removal(server, group_id, reference).unlink(keys)
    # Last: as long as the intents stand, a call that broke off can be repeated.
    for removal in removals:
        removal.forget()
    remove_documents(online, recorded, (name, version))
    return Drop(reference, rows, entities.unreadable)


def remove_documents(
    online: OnlineStore, recorded: RecordedCatalogue, version: tuple[str, int]
) -> None:
    """Remove what a dropped version left in the catalogue; no manifest names it any more."""
    with online.errors() as client:
        for document in recorded.documents.get(version, ()):
            client.unlink(store_keys.document_key(online.catalogue_namespace, digest(document)))


class _Entities:
    """The entities of which any of some commits has a row, each at least once."""

    def __init__(self, group: FeatureGroupSpec, snapshot: TableSnapshot) -> None:
        self._names = list(group.entity.key_names)
        self._snapshot = snapshot
        self.unreadable = 0

    def of(self, commits: Sequence[Commit]) -> Iterator[pl.DataFrame]:
        """Join keys, bucket by bucket."""
        newest_first = sorted(commits, key=lambda commit: commit.version, reverse=True)
        gone: set[tuple[str, int]] = set()
        for bucket in buckets_of(self._snapshot):
            found: pl.DataFrame | None = None
            for at in range(0, len(newest_first), _COMMITS_AT_ONCE):
                part = self._read(newest_first[at : at + _COMMITS_AT_ONCE], bucket, gone)
                if found is not None:
                    part = part.join(found, on=self._names, how="anti")
                found = part if found is None else pl.concat([found, part])
                yield part
        self.unreadable = len(gone)

    def _read(
        self, commits: Sequence[Commit], bucket: int, gone: set[tuple[str, int]]
    ) -> pl.DataFrame:
        try:
            return self._union([self._keys(commit, bucket) for commit in commits])
        except _UNREADABLE:
            pass  # maintenance has removed the files of a former generation: which one?
        frames = []
        for commit in commits:
            try:
                frames.append(self._keys(commit, bucket).collect().lazy())
            except _UNREADABLE:
                newest = self._snapshot.commits[commit.partition]
                if newest.generation == commit.generation:
                    raise
                gone.add((commit.partition, commit.generation))
        return self._union(frames)

    def _keys(self, commit: Commit, bucket: int) -> pl.LazyFrame:
        return scan_commit(self._snapshot, commit, bucket).select(self._names)

    def _union(self, frames: Sequence[pl.LazyFrame]) -> pl.DataFrame:
        nothing = self._snapshot.scan([]).select(self._names)
        return pl.concat([nothing, *frames]).unique().collect(engine="streaming")


def _refuse(recorded: RecordedCatalogue, name: str, version: int) -> None:
    reference = f"{name}@{version}"
    if recorded.live.get(name) == version:
        raise VersionRefusedError(
            action="drop",
            subject=reference,
            reason="it is live",
            remedy="promote another version first",
        )
    raise UnknownNameError(
        kind="published feature group version",
        name=reference,
        known=[f"{group}@{number}" for group, number in recorded.versions],
    )
