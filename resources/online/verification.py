"""The proof that what is served is what was committed: every byte of every row, compared.

What is expected online is projected from the offline table and the markers, and encoded anew;
nothing that a publisher wrote is believed.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from google.protobuf.message import DecodeError

from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.keys import ENTITY_AT, KeyValue, entity_decoder
from ...contract.order import Order, decode_order
from ...contract.partitions import PARTITIONINGS
from ...contract.proto.headrace.v1.feature_service_pb2 import FeatureRow
from ...contract.rows import codecs, from_microseconds
from ..offline.commit_log import Commit
from ..offline.offline_table import OfflineTable
from ..offline.table_snapshot import TableSnapshot
from .online_group import GroupState, OnlineGroup
from .online_store import OnlineStore
from .opening import group_in
from .projection import commits_of, newest_rows, scan_commit
from .publication_state import is_superseded
from .reconciliation import unpublished_partitions
from .registry import Registry
from .row_encoding import encode_keys, encode_values

_SLICE_ROWS = 50_000
_LISTED = 100
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One entity whose row is not the expected one.

    Attributes:
        entity: The join key values by name.
        problem: `"missing"`, `"differing"` or `"extra"`.
        detail: What differs, or which row it is.
    """

    entity: Mapping[str, KeyValue]
    problem: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        group: `group@version`.
        equal: Entities whose row is live and equal to the expected one, byte by byte.
        differing: Entities whose live row is another one.
        missing: Entities that should have a live row and have none.
        extra: Entities that have a live row and should have none; not counted in a sample.
        superseded: Entities that differ because a publish of their partition has begun and not
            finished: that is no error yet.
        unpublished: Partitions whose newest commit is due online, but not there.
        differences: The first of those that differ, are missing or are extra.
    """

    group: str
    equal: int = 0
    differing: int = 0
    missing: int = 0
    extra: int = 0
    superseded: int = 0
    unpublished: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether online equals offline, as far as was looked."""
        return not (self.differing or self.missing or self.extra or self.unpublished)


def verify_group(
    group: FeatureGroupSpec,
    table: OfflineTable,
    online: OnlineStore,
    registry: Registry,
    *,
    sample: int | None = None,
) -> Verification:
    """Compare what is stored online with what is committed offline.

    Publishes may go on meanwhile; what they change during the comparison is compared again.

    Args:
        group: As declared.
        table: Its offline table.
        online: What is verified.
        registry: Of that store.
        sample: How many of the expected entities to look at, at random; all, and also for rows that
            should not be there, when `None` or when there are no more.

    Raises:
        StoreUnavailableError: A store cannot be read.
    """
    published = registry.published(group.name, group.version)
    if published is None:
        return Verification(
            group.reference,
            unpublished=tuple(unpublished_partitions(group, table, online, registry.recorded())),
        )
    group = registry.document(published.document)
    rows = group_in(online, published.group_id, group.reference)
    for _ in range(_ATTEMPTS):
        state, snapshot = rows.state(), table.snapshot()
        comparison = _Comparison(group, published.group_id, state, rows)
        comparison.run(snapshot, sample)
        if not comparison.disputed or rows.state() == state:
            break
    left = unpublished_partitions(group, table, online, registry.recorded())
    return comparison.result(snapshot, left)


@dataclass(slots=True)
class _Comparison:
    """One walk over expected and stored rows."""

    group: FeatureGroupSpec
    group_id: int
    state: GroupState
    rows: OnlineGroup
    counts: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def run(self, snapshot: TableSnapshot, sample: int | None) -> None:
        parts = list(self._expected(snapshot))
        total = sum(rows.height for _, rows in parts)
        is_whole = sample is None or sample >= total
        if sample is not None and not is_whole:
            parts = list(_sampled(parts, sample))
        expected: set[bytes] = set()
        for commit, frame in parts:
            for part in frame.iter_slices(_SLICE_ROWS):
                keys = encode_keys(self.group, self.group_id, part)
                self._compare(keys, part, commit)
                expected.update(keys)
        if is_whole:
            self._look_for_extra(expected)

    @property
    def disputed(self) -> bool:
        return any(count for problem, count in self.counts.items() if problem != "equal")

    def result(self, snapshot: TableSnapshot, unpublished: Sequence[str]) -> Verification:
        commits = snapshot.commits
        return Verification(
            self.group.reference,
            **self.counts,
            # A superseded partition changes nothing of what is served, so it is not missed.
            unpublished=tuple(
                partition
                for partition in unpublished
                if partition in commits
                and not is_superseded(self.group, commits, commits[partition], self.state)
            ),
            differences=tuple(self.differences),
        )

    def _expected(self, snapshot: TableSnapshot) -> Iterable[tuple[Commit, pl.DataFrame]]:
        if self.group.online is Online.UPSERT:
            commits = commits_of(snapshot, self.state.markers).values()
            return newest_rows(self.group, snapshot, commits)
        if self.state.floor is None:
            return ()
        served = {self._partition_of(self.state.floor): self.state.floor.generation}
        commits = commits_of(snapshot, served).values()
        return [(commit, scan_commit(snapshot, commit).collect()) for commit in commits]

    def _compare(self, keys: Sequence[bytes], part: pl.DataFrame, commit: Commit) -> None:
        stored = self.rows.rows(keys)
        expected = encode_values(self.group, part, commit)
        unequal = [
            place
            for place, (want, got) in enumerate(zip(expected, stored, strict=True))
            if want != got
        ]
        self._count("equal", len(keys) - len(unequal))
        for place in unequal:
            want, got = expected[place], stored[place]
            earlier = self._earlier_schema(got)
            if earlier is not None:
                # Written before a feature was added: right under the schema that it names.
                (want,) = encode_values(self.group, part[place], commit, earlier)
            self._judge(keys[place], want, got)

    def _look_for_extra(self, expected: set[bytes]) -> None:
        unexpected = [key for key in self.rows.stored_keys() if key not in expected]
        for key, row in zip(unexpected, self.rows.rows(unexpected), strict=True):
            if row is not None and self._is_live(row):
                self._judge(key, None, row)

    def _judge(self, key: bytes, want: bytes | None, got: bytes | None) -> None:
        live = got if got is not None and self._is_live(got) else None
        if want == live:
            self._count("equal")
        elif self._is_in_flight(want) or self._is_in_flight(got):
            self._count("superseded")
        elif want is None:
            self._report("extra", key, _described(live))
        elif live is None:
            self._report("missing", key, _described(want))
        else:
            self._report("differing", key, self._differing(want, live))

    def _is_live(self, row: bytes) -> bool:
        if self.group.online is Online.UPSERT:
            return True
        order = _order(row)
        return order is None or (self.state.floor is not None and order >= self.state.floor)

    def _is_in_flight(self, row: bytes | None) -> bool:
        order = None if row is None else _order(row)
        return order is not None and self._partition_of(order) in self.state.in_flight

    def _partition_of(self, order: Order) -> str:
        partitioning = PARTITIONINGS[self.group.partitions]
        at = from_microseconds(order.event_timestamp)
        if self.group.online is Online.SNAPSHOT:
            at -= partitioning.length
        return partitioning.key(at)

    def _earlier_schema(self, row: bytes | None) -> int | None:
        if row is None or self.group.schema_id == 0:
            return None
        try:
            schema_id = FeatureRow.FromString(row).schema_id
        except DecodeError:
            return None
        return schema_id if schema_id < self.group.schema_id else None

    def _count(self, problem: str, number: int = 1) -> None:
        self.counts[problem] = self.counts.get(problem, 0) + number

    def _report(self, problem: str, key: bytes, detail: str) -> None:
        self._count(problem)
        if len(self.differences) < _LISTED:
            values = entity_decoder(self.group.entity)(key[ENTITY_AT:])
            entity = dict(zip(self.group.entity.key_names, values, strict=True))
            self.differences.append(Difference(entity, problem, detail))

    def _differing(self, want: bytes, got: bytes) -> str:
        by_schema = codecs(self.group.all_schemas)
        try:
            wanted, found = (
                by_schema[FeatureRow.FromString(raw).schema_id].decode(raw) for raw in (want, got)
            )
        except (DecodeError, KeyError, ValueError, IndexError):
            return "what is stored is no row of this group"
        names = ("event_timestamp", "generation", "table_version")
        differing = [name for name in names if getattr(wanted, name) != getattr(found, name)]
        features = zip(self.group.features, wanted.values, found.values, strict=False)
        differing += [feature.name for feature, a, b in features if repr(a) != repr(b)]
        return f"{_described(got)} instead of {_described(want)}: {', '.join(differing)}"


def _sampled(
    parts: Sequence[tuple[Commit, pl.DataFrame]], sample: int
) -> Iterator[tuple[Commit, pl.DataFrame]]:
    total = sum(rows.height for _, rows in parts)
    chosen, at = sorted(random.sample(range(total), sample)), 0
    for commit, rows in parts:
        places = [place - at for place in chosen if at <= place < at + rows.height]
        at += rows.height
        if places:
            yield commit, rows[places]


def _order(row: bytes) -> Order | None:
    try:
        return decode_order(row)
    except ValueError:
        return None


def _described(row: bytes | None) -> str:
    order = None if row is None else _order(row)
    if order is None:
        return "something that is no row"
    at = from_microseconds(order.event_timestamp)
    return f"the row of {at:%Y-%m-%dT%H:%M:%SZ}, generation {order.generation}"
