"""Publishing: what was committed offline becomes what is served online (architecture, section 6).

Publishing a partition always publishes its newest commit. It may be repeated, interrupted and run
beside other publishes, also of the same partition: the state in which all of them end is the
projection of the newest commits, as if they had run in order.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from ...contract.errors import FencedError, InvalidArgumentError, UnknownNameError
from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.order import FIRST
from ..offline.commit_log import Commit
from ..offline.offline_table import OfflineTable
from ..tracing import span
from .bulk_write import Writes, write_rows
from .byte_column import ByteColumn
from .group_state import Claim
from .online_group import OnlineGroup
from .online_store import OnlineStore
from .opening import group_in
from .projection import end_order, newest_per_entity, scan_commit
from .publication_state import is_published, is_superseded
from .reconciliation import complete_if_covered, state_of
from .registration import Registered, registered
from .registry import Registry
from .retraction import Retraction
from .row_encoding import encode_keys, encode_values

_SLICE_ROWS = 50_000
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing a partition did.

    Attributes:
        group: `group@version`.
        generation: The generation that is published now.
        table_version: The Delta version that holds it.
        rows_written: How many rows were written.
        rows_lost: How many were not, because there is a newer one of their entity.
        rows_retracted: How many obsolete rows were replaced by an older one, or removed.
        batches_fast: Batches that lay ahead of everything stored, so that no row was compared.
        batches_aborted: Batches that were meant to, but for a write of another publish.
        batches_guarded: Batches whose rows were compared; the aborted ones among them.
        replicas: How many replicas of the store have it; `None` where none was waited for.
        superseded: The partition is not the newest of a snapshot group: no row of it is served.
        already_published: It stood so already; nothing was written.
    """

    group: str
    partition: str
    generation: int
    table_version: int
    rows_written: int = 0
    rows_lost: int = 0
    rows_retracted: int = 0
    batches_fast: int = 0
    batches_aborted: int = 0
    batches_guarded: int = 0
    replicas: int | None = None
    superseded: bool = False
    already_published: bool = False


def publish_partition(
    group: FeatureGroupSpec,
    table: OfflineTable,
    partition: str,
    *,
    online: OnlineStore,
    registry: Registry,
    repeat: bool = False,
) -> Publication:
    """Make the newest commit of a partition what is served.

    Also publishes a commit that was deferred. The first finished publish of a group makes its
    version the live one.

    Args:
        group: As declared. What is registered on the way is the document in force in the table: a
            declaration counts online from the commit on with which it counts offline.
        table: Its offline table.
        partition: A committed partition.
        online: Where it is published.
        registry: Of the same online store.
        repeat: Write the rows also where the marker says that they were written.

    Raises:
        InvalidArgumentError: The group is declared with `online=None`.
        UnknownNameError: The partition was never committed.
        FencedError: Another process publishes a generation that the offline table does not have.
        StateLostError: The online store was flushed while rows were written.
        HistoryLostError: It failed over, or was restarted, while rows were written.
        NotReplicatedError: Too few of its replicas have the rows (`HEADRACE_WAIT_REPLICAS`).
        OutOfMemoryError: The online store is full; it goes on serving what it holds.
        StoreUnavailableError: A store broke off; publish again.
    """
    _check_online(group)
    with span("publish", group=group.reference, partition=partition) as note:
        publication = _newest(
            group, table, partition, online=online, registry=registry, repeat=repeat
        )
        note(
            generation=publication.generation,
            table_version=publication.table_version,
            rows=publication.rows_written,
        )
    if not publication.superseded:
        registry.go_live_first(group.name, group.version)
    return publication


def _newest(
    group: FeatureGroupSpec,
    table: OfflineTable,
    partition: str,
    *,
    online: OnlineStore,
    registry: Registry,
    repeat: bool,
) -> Publication:
    while True:
        pinned = registered(group, table.snapshot(), registry)
        rows = group_in(online, pinned.group_id, group.reference)
        try:
            return _Publisher(pinned, table, rows, registry).publish(partition, repeat=repeat)
        except FencedError as error:
            # Overtaken by a newer commit: that is the one to publish then.
            if table.snapshot().commits[partition].generation <= error.generation:
                raise


class _Publisher:
    """Publishes partitions of one group, as one snapshot has them."""

    def __init__(
        self, pinned: Registered, table: OfflineTable, rows: OnlineGroup, registry: Registry
    ) -> None:
        self._group, self._group_id = pinned.group, pinned.group_id
        self._snapshot = pinned.snapshot
        self._table, self._rows, self._registry = table, rows, registry
        self._retraction = Retraction(self._group, self._group_id, table, rows, registry)

    def publish(self, partition: str, *, repeat: bool) -> Publication:
        commits = self._snapshot.commits
        state = state_of(self._rows, self._group, commits, self._registry)
        commit = commits.get(partition)
        if commit is None:
            raise UnknownNameError(
                kind=f"committed partition of {self._group.reference}",
                name=partition,
                known=commits,
            )
        publication = Publication(
            self._group.reference,
            partition,
            commit.generation,
            commit.version,
            superseded=is_superseded(self._group, commits, commit, state),
        )
        if not repeat and is_published(self._group, commits, commit, state):
            publication = replace(publication, already_published=True)
        else:
            if commit.publish == "deferred":
                self._registry.release(self._group, partition, commit.generation)
            publication = self._project(publication, commit)
        if state.floor is None and self._group.online is Online.UPSERT:
            complete_if_covered(self._rows, self._group, self._table, self._registry)
        return publication

    def _project(self, publication: Publication, commit: Commit) -> Publication:
        claim = self._rows.begin(commit.partition, commit.generation)
        if self._group.online is Online.UPSERT:
            publication = self._put(publication, commit, claim)
            retracted = self._retraction.run(commit, claim)
            replicas = self._rows.finish(claim, watermark=FIRST, floor=None)
            return replace(publication, rows_retracted=retracted, replicas=replicas)
        if publication.superseded:
            replicas = self._rows.finish(claim, watermark=FIRST, floor=None)
            return replace(publication, replicas=replicas)
        publication = self._put(publication, commit, claim)
        order = end_order(self._group, commit)
        replicas = self._rows.finish(claim, watermark=order, floor=order)
        return replace(publication, replicas=replicas)

    def _put(self, publication: Publication, commit: Commit, claim: Claim) -> Publication:
        done = Writes()
        for keys, rows in one_ahead(self._encoded(commit)):
            done += write_rows(self._rows, claim, keys, rows)
        return replace(
            publication,
            rows_written=done.rows,
            rows_lost=commit.rows - done.rows,
            batches_fast=done.batches_fast,
            batches_aborted=done.batches_aborted,
            batches_guarded=done.batches_guarded,
        )

    def _encoded(self, commit: Commit) -> Iterator[tuple[ByteColumn, ByteColumn]]:
        """Keys and rows of a commit, a slice at a time, in ascending order."""
        rows = scan_commit(self._snapshot, commit)
        if self._group.online is Online.UPSERT:
            rows = newest_per_entity(self._group, rows)
        for part in rows.collect_batches(chunk_size=_SLICE_ROWS):
            keys = encode_keys(self._group, self._group_id, part)
            yield keys, encode_values(self._group, part, commit)


def one_ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """The items, each made by a thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _check_online(group: FeatureGroupSpec) -> None:
    if group.online is None:
        raise InvalidArgumentError(
            argument=group.reference,
            problem="it is declared with online=None",
            remedy='declare online="snapshot" or online="upsert" to publish it',
        )
