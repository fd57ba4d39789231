"""Rebuilding a group in an online store that lost it, or never had it, from what is committed.

Of a snapshot group the newest partition alone is written; of an upsert group the newest row of
each entity, found in one pass over all partitions, bucket by bucket. What says that the state is
complete comes last: a rebuild that breaks off leaves a group that answers ERROR, and may be
repeated. It claims partitions as any publish does, so it is safe beside others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...contract.errors import FencedError
from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.order import FIRST
from ..offline.commit_log import Commit
from ..offline.offline_table import OfflineTable
from ..offline.table_snapshot import TableSnapshot
from .bulk_write import write_rows
from .byte_column import ByteColumn
from .group_state import Claim
from .online_group import OnlineGroup
from .online_store import OnlineStore
from .opening import group_in
from .projection import buckets_of, newest_rows
from .publication_state import is_due
from .publisher import one_ahead, publish_partition
from .reconciliation import complete_if_covered, state_of
from .registration import Registered, registered
from .registry import Registry
from .row_encoding import encode_keys, encode_values

_SLICE_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What rebuilding a group did.

    Attributes:
        group: `group@version`.
        partitions: How many partitions are published.
        rows: How many rows were written.
        complete: Whether nothing that is due is missing.
    """

    group: str
    partitions: int
    rows: int
    complete: bool


def rebuild_group(
    group: FeatureGroupSpec, table: OfflineTable, *, online: OnlineStore, registry: Registry
) -> Rebuild:
    """Write everything that is due of a group, whatever the online store says that it has.

    Commits that were deferred are due if somebody had asked for them.

    Args:
        group: As declared, or as its document says. What is registered on the way is the document
            in force in the table, as by a publish.
        table: Its offline table.
        online: The store to fill.
        registry: Of that store.

    Raises:
        VersionDroppedError: The version was dropped.
        FencedError: A generation is published that the offline table does not have.
        StateLostError: The store was flushed meanwhile.
        HistoryLostError: It failed over, or was restarted, meanwhile.
        NotReplicatedError: Too few of its replicas have the rows.
        OutOfMemoryError: The store is full.
        StoreUnavailableError: A store broke off; repeat the call.
    """
    while True:
        pinned = registered(group, table.snapshot(), registry)
        rows = group_in(online, pinned.group_id, group.reference)
        try:
            rebuilt = _Rebuilder(pinned, table, rows, registry).run(online)
        except FencedError as error:
            # Overtaken by a newer commit: all that was chosen in view of the older one is void.
            if table.snapshot().commits[error.partition].generation <= error.generation:
                raise
        else:
            if rebuilt.partitions:
                registry.go_live_first(group.name, group.version)
            return rebuilt


class _Rebuilder:
    """Rebuilds one group."""

    def __init__(
        self, pinned: Registered, table: OfflineTable, rows: OnlineGroup, registry: Registry
    ) -> None:
        self._group, self._group_id = pinned.group, pinned.group_id
        self._snapshot = pinned.snapshot
        self._table, self._rows, self._registry = table, rows, registry

    def run(self, online: OnlineStore) -> Rebuild:
        snapshot = self._snapshot
        state = state_of(self._rows, self._group, snapshot.commits, self._registry)
        due = {key: commit for key, commit in snapshot.commits.items() if is_due(commit, state)}
        if not due:
            return Rebuild(self._group.reference, 0, 0, complete=True)
        if self._group.online is Online.UPSERT:
            written = self._newest_of_each_entity(snapshot, due, online)
            complete = complete_if_covered(self._rows, self._group, self._table, self._registry)
        else:
            written = self._newest_partition(due, online)
            complete = self._rows.state().floor is not None
        return Rebuild(self._group.reference, len(due), written, complete)

    def _newest_partition(self, due: Mapping[str, Commit], online: OnlineStore) -> int:
        written = self._publish(max(due), online)
        markers = self._rows.state().markers
        for partition, commit in due.items():
            if markers.get(partition, 0) < commit.generation:
                claim = self._rows.begin(partition, commit.generation)
                self._rows.finish(claim, watermark=FIRST, floor=None)
        return written

    def _newest_of_each_entity(
        self, snapshot: TableSnapshot, due: Mapping[str, Commit], online: OnlineStore
    ) -> int:
        # Every partition is claimed before a row is chosen: a newer generation then fences us off.
        claims = {key: self._rows.begin(key, commit.generation) for key, commit in due.items()}
        at_once = {key: due[key] for key, claim in claims.items() if not _left_rows(claim)}
        written = 0
        for bucket in buckets_of(snapshot):
            for commit, keys, values in one_ahead(self._encoded(snapshot, at_once, bucket)):
                written += write_rows(self._rows, claims[commit.partition], keys, values).rows
        for partition in at_once:
            self._rows.finish(claims[partition], watermark=FIRST, floor=None)
        return written + sum(self._publish(key, online) for key in due if key not in at_once)

    def _encoded(
        self, snapshot: TableSnapshot, due: Mapping[str, Commit], bucket: int
    ) -> Iterator[tuple[Commit, ByteColumn, ByteColumn]]:
        """The newest row of each entity of a bucket, which is held in memory, a slice at a time.

        In ascending order, though they are found in descending order: so that each slice lies ahead
        of the one before it, and no row has to be compared. Those of further buckets do not.
        """
        found = list(newest_rows(self._group, snapshot, due.values(), bucket=bucket))
        found.sort(key=lambda each: each[0].partition, reverse=True)
        while found:
            commit, frame = found.pop()
            for part in frame.iter_slices(_SLICE_ROWS):
                keys = encode_keys(self._group, self._group_id, part)
                yield commit, keys, encode_values(self._group, part, commit)

    def _publish(self, partition: str, online: OnlineStore) -> int:
        publication = publish_partition(
            self._group,
            self._table,
            partition,
            online=online,
            registry=self._registry,
            repeat=True,
        )
        return publication.rows_written


def _left_rows(claim: Claim) -> bool:
    """Whether a publish that broke off may have left rows of an earlier generation."""
    return claim.intent > 0 and claim.marker < claim.generation and claim.generation > 1
