"""Garbage: rows that nobody reads, found by walking over the online store a budget at a time.

What it removes are rows below a floor, rows of dropped versions, and rows of entities of which
nothing that is published says anything. Keys of other namespaces are left alone, and so are keys
whose id stands for nothing: another installation may own them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import polars as pl

from ...contract import store_keys
from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.keys import ENTITY_AT, entity_decoder
from ...contract.partitions import PARTITIONINGS
from ...contract.rows import from_microseconds
from ..offline.offline_store import OfflineStore
from ..offline.table_spec import feature_table
from .dropping import remains
from .group_ids import allocated_ids
from .group_state import GroupState
from .online_store import OnlineStore
from .opening import group_in
from .projection import commits_of, newest_rows, scan_commit
from .registry import Registry
from .row_encoding import encode_keys

_Item = TypeVar("_Item")
_Call: TypeAlias = tuple[Sequence[bytes], Sequence[bytes | str | int]]

_ROW_KEYS = b"{??}*"
_SCAN_COUNT = 1000
_BATCH_ROWS = 500
_ROW_AT = slice(4, ENTITY_AT)  # the group's prefix, behind the tag


@dataclass(slots=True)
class Collection:
    """What a walk found, and removed.

    Attributes:
        looked_at: How many keys of rows it passed.
        below_floor: Rows of snapshot groups that had been superseded; removed.
        dropped: Rows of versions that were dropped; removed.
        orphans: Rows of entities that nothing published mentions; removed.
        unknown: Keys whose id stands for nothing in this store; left alone.
        finished: Whether the walk came to the end of the store; the next one begins anew.
    """

    looked_at: int = 0
    below_floor: int = 0
    dropped: int = 0
    orphans: int = 0
    unknown: int = 0
    finished: bool = False

    @property
    def removed(self) -> int:
        """How many rows were removed."""
        return self.below_floor + self.dropped + self.orphans


def collect_garbage(
    *, online: OnlineStore, offline: OfflineStore, registry: Registry, budget: int
) -> Collection:
    """Look at some keys of the store, and remove the rows that nobody reads.

    Where one call stops, the next one goes on; a row that lies there throughout a whole walk is
    seen by it. Safe beside publishes: a row is removed only as what it was when it was judged.

    Args:
        online: The store to walk over.
        offline: What says which entities there are.
        registry: Of both.
        budget: How many keys to look at, roughly; at least one step of the walk is made.

    Raises:
        UnsupportedStoreError: The online store is a Cluster.
        StoreUnavailableError: A store broke off; repeat the call.
    """
    online.require_one_server("the search for garbage")
    walk = _Walk(online, offline, registry)
    walk.clear_dropped_state()
    for keys in _scanned(online, budget, walk.found):
        by_id: dict[int, list[bytes]] = defaultdict(list)
        for key in keys:
            by_id[int.from_bytes(key[_ROW_AT], "big")].append(key)
        for group_id, members in by_id.items():
            walk.judge(group_id, members)
    walk.judge_orphans()
    return walk.found


def _scanned(online: OnlineStore, budget: int, found: Collection) -> Iterator[Sequence[bytes]]:
    """The keys of rows from where the last walk stopped, until the budget is used up."""
    remembered = store_keys.sweep_key(online.namespace)
    with online.errors() as client:
        cursor = int(_plain(client.get(remembered)) or 0)
        while True:
            reply: Any = client.scan(cursor, match=_ROW_KEYS, count=_SCAN_COUNT)
            cursor, keys = reply
            rows = [key for key in keys if len(key) > ENTITY_AT]
            found.looked_at += len(rows)
            budget -= max(len(keys), 1)
            yield rows
            if cursor == 0 or budget <= 0:
                break
        if cursor == 0:
            found.finished = True
            client.delete(remembered)
        else:
            client.set(remembered, cursor)


@dataclass(slots=True)
class _Walk:
    online: OnlineStore
    offline: OfflineStore
    registry: Registry
    found: Collection = field(default_factory=Collection)
    _names: Mapping[int, str] = field(init=False)
    _groups: dict[int, FeatureGroupSpec] = field(init=False)
    _dropped: dict[int, tuple[str, int]] = field(init=False)
    _standing: dict[int, dict[bytes, None]] = field(init=False)

    def __post_init__(self) -> None:
        manifest, recorded = self.registry.manifest(), self.registry.recorded()
        namespace = self.online.namespace
        ids = allocated_ids(self.online)
        self._names = {group_id: name for name, group_id in ids.items()}
        self._groups = {
            published.group_id: self.registry.document(published.document)
            for group in manifest.groups.values()
            for published in group.versions.values()
        }
        dropped = {
            f"{namespace}/{name}@{number}": (name, number) for name, number in recorded.dropped
        }
        self._dropped = {ids[name]: version for name, version in dropped.items() if name in ids}
        self._standing = defaultdict(dict)

    def clear_dropped_state(self) -> None:
        """Remove what a publish may have written of a version while that was dropped."""
        recorded = self.registry.recorded()
        with self.online.errors() as client:
            for group_id, version in self._dropped.items():
                client.unlink(*remains(self.online.namespace, recorded, version, group_id))

    def judge(self, group_id: int, keys: Sequence[bytes]) -> None:
        """Remove what is garbage by its key, or by its order; keep the others for a closer look."""
        if group_id in self._dropped:
            with self.online.errors() as client:
                self.found.dropped += int(_plain(client.unlink(*keys)))
        elif group_id in self._groups:
            if self._groups[group_id].online is Online.SNAPSHOT:
                self.found.below_floor += self._sweep(group_id, keys)
            self._standing[group_id].update(dict.fromkeys(keys))
        elif group_id not in self._names:
            self.found.unknown += len(keys)

    def judge_orphans(self) -> None:
        """Remove rows of entities of which nothing is published."""
        for group_id, keys in self._standing.items():
            self.found.orphans += self._discard(group_id, self._groups[group_id], list(keys))

    def _sweep(self, group_id: int, keys: Sequence[bytes]) -> int:
        floor = store_keys.floor_key(self.online.namespace, group_id)
        calls: list[_Call] = [([floor, *some], []) for some in _batches(keys)]
        with self.online.errors():
            return sum(self.online.call_many("sweep", calls))

    def _discard(self, group_id: int, group: FeatureGroupSpec, keys: Sequence[bytes]) -> int:
        rows = group_in(self.online, group_id, group.reference)
        # The state is read before the rows: an intent raised later makes `discard` refuse.
        state = rows.state()
        if state.floor is None or state.in_flight:
            return 0  # nothing is known yet, or something is on its way: next time
        stored = dict(zip(keys, rows.rows(keys), strict=True))
        known = self._known(group, group_id, state, [key for key, row in stored.items() if row])
        orphans = [(key, row) for key, row in stored.items() if row and key not in known]
        namespace, epoch = self.online.namespace, state.epoch or b""
        fixed = [
            store_keys.epoch_key(namespace, group_id),
            store_keys.watermark_key(namespace, group_id),
        ]
        calls: list[_Call] = [
            (
                [*fixed, *(key for key, _ in some)],
                [epoch, state.revision, *(row for _, row in some)],
            )
            for some in _batches(orphans)
        ]
        with self.online.errors(group.reference):
            return sum(self.online.call_many("discard", calls)) if calls else 0

    def _known(
        self, group: FeatureGroupSpec, group_id: int, state: GroupState, keys: Sequence[bytes]
    ) -> set[bytes]:
        """Those of these keys whose entities have a row in what is published."""
        snapshot = self.offline.table(feature_table(group)).snapshot()
        names, decode = list(group.entity.key_names), entity_decoder(group.entity)
        schema = snapshot.scan([]).select(names).collect_schema()
        entities = pl.DataFrame(
            [decode(key[ENTITY_AT:]) for key in keys], schema=schema, orient="row"
        )
        if group.online is Online.UPSERT:
            commits = commits_of(snapshot, state.markers).values()
            parts = [part for _, part in newest_rows(group, snapshot, commits, entities)]
        else:
            commits = commits_of(snapshot, _served(group, state)).values()
            parts = [
                scan_commit(snapshot, commit).join(entities.lazy(), on=names, how="semi").collect()
                for commit in commits
            ]
        return {key for part in parts for key in encode_keys(group, group_id, part)}


def _served(group: FeatureGroupSpec, state: GroupState) -> dict[str, int]:
    """The one partition, and its generation, whose rows a snapshot group answers with."""
    if state.floor is None:
        return {}
    partitioning = PARTITIONINGS[group.partitions]
    end = from_microseconds(state.floor.event_timestamp)
    return {partitioning.key(end - partitioning.length): state.floor.generation}


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[at : at + _BATCH_ROWS] for at in range(0, len(items), _BATCH_ROWS))


def _plain(reply: Any) -> Any:  # noqa: ANN401 - redis-py's types cover asynchronous clients, too
    return reply
