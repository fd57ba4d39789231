"""Garbage: rows that nobody reads, found by walking over the online store a budget at a time.

What it removes are rows below a floor, rows of dropped versions, and rows of entities of which
nothing that is published says anything. Keys of other namespaces are left alone, and so are keys
whose id stands for nothing: another installation may own them. Where a table lacks what is
published of its group, it is the wrong table, or not there, and makes nobody an orphan.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import polars as pl

from ...contract import store_keys
from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.keys import ENTITY_AT, entity_decoder
from ...contract.partitions import PARTITIONINGS
from ...contract.rows import from_microseconds
from ..offline.offline_store import OfflineStore
from ..offline.recorded_catalogue import RecordedCatalogue
from ..offline.table_spec import feature_table
from .dropping import remove_documents
from .entity_search import newest_of_entities
from .group_ids import allocated_ids
from .group_state import GroupState
from .online_store import OnlineStore
from .opening import group_in
from .projection import commits_of, scan_commit
from .registry import Registry
from .removal import Removal

_ROW_KEYS = b"{??}*"
_SCAN_COUNT = 1000
_DECODED_AT_ONCE = 50_000
_PLACE = "place of the key"  # No identifier: no join key is called so.
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
        unjudged: Keys of groups whose tables lack what is published; left alone.
        finished: Whether the walk came to the end of the store; the next one begins anew.
    """

    looked_at: int = 0
    below_floor: int = 0
    dropped: int = 0
    orphans: int = 0
    unknown: int = 0
    unjudged: int = 0
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
        budget: How many keys to look at, roughly.

    Raises:
        UnsupportedStoreError: The online store is a Cluster whose slots were moved.
        StoreUnavailableError: A store broke off; repeat the call.
    """
    subject = _Catalogued.read(online, offline, registry)
    for version in subject.dropped.values():
        remove_documents(online, subject.recorded, version)
    found = Collection()
    for part in online.parts():
        walk = _Walk(part, subject, found)
        walk.forget_dropped()
        for keys in _scanned(part, budget - found.looked_at, found):
            walk.judge(keys)
        walk.judge_orphans()
    found.finished = _is_over(online)
    return found


_END = b"end"


def _scanned(part: OnlineStore, budget: int, found: Collection) -> Iterator[Sequence[bytes]]:
    """The keys of rows from where the last walk stopped, until the budget is used up."""
    remembered = store_keys.sweep_key(part.namespace)
    with part.errors() as client:
        at = _plain(client.get(remembered))
        while at != _END and budget > 0:
            reply: Any = client.scan(int(at or 0), match=_ROW_KEYS, count=_SCAN_COUNT)
            cursor, keys = reply
            rows = [key for key in keys if len(key) > ENTITY_AT]
            found.looked_at += len(rows)
            budget -= max(len(keys), 1)
            yield rows
            at = str(cursor).encode() if cursor else _END
            client.set(remembered, at)


def _is_over(online: OnlineStore) -> bool:
    """Whether the walk came to its end on every server; then the next one begins anew."""
    remembered = [(part, store_keys.sweep_key(part.namespace)) for part in online.parts()]
    for part, key in remembered:
        with part.errors() as client:
            if _plain(client.get(key)) != _END:
                return False
    for part, key in remembered:
        with part.errors() as client:
            client.delete(key)
    return True


@dataclass(frozen=True, slots=True)
class _Catalogued:
    """What the ids in the keys of a store stand for.

    Attributes:
        offline: Where the tables are.
        recorded: The record of this namespace.
        names: Of every id of the store, of all namespaces.
        groups: By id, the versions that are published.
        dropped: By id, the name and number of the versions that were dropped.
    """

    offline: OfflineStore
    recorded: RecordedCatalogue
    names: Mapping[int, str]
    groups: Mapping[int, FeatureGroupSpec]
    dropped: Mapping[int, tuple[str, int]]

    @classmethod
    def read(cls, online: OnlineStore, offline: OfflineStore, registry: Registry) -> Self:
        manifest, recorded, ids = registry.manifest(), registry.recorded(), allocated_ids(online)
        dropped = {
            f"{online.namespace}/{name}@{number}": (name, number)
            for name, number in recorded.dropped
        }
        return cls(
            offline,
            recorded,
            {group_id: name for name, group_id in ids.items()},
            {
                published.group_id: registry.document(published.document)
                for group in manifest.groups.values()
                for published in group.versions.values()
            },
            {ids[name]: version for name, version in dropped.items() if name in ids},
        )


@dataclass(slots=True)
class _Walk:
    """The part of a walk that is on one server: its rows, and its own state of each group."""

    part: OnlineStore
    subject: _Catalogued
    found: Collection
    _standing: dict[int, dict[bytes, None]] = field(default_factory=lambda: defaultdict(dict))

    def forget_dropped(self) -> None:
        """Remove what a publish may have written of a version while that was dropped."""
        for group_id, (name, number) in self.subject.dropped.items():
            Removal(self.part, group_id, f"{name}@{number}").forget()

    def judge(self, keys: Sequence[bytes]) -> None:
        """Remove what is garbage by its key, or by its order; keep the others for a closer look."""
        by_id: dict[int, list[bytes]] = defaultdict(list)
        for key in keys:
            by_id[int.from_bytes(key[_ROW_AT], "big")].append(key)
        for group_id, members in by_id.items():
            removal = Removal(self.part, group_id, self.subject.names.get(group_id, "unknown"))
            if group_id in self.subject.dropped:
                self.found.dropped += removal.unlink(members)
            elif group_id in self.subject.groups:
                if self.subject.groups[group_id].online is Online.SNAPSHOT:
                    self.found.below_floor += removal.sweep(members)
                self._standing[group_id].update(dict.fromkeys(members))
            elif group_id not in self.subject.names:
                self.found.unknown += len(members)

    def judge_orphans(self) -> None:
        """Remove rows of entities of which nothing is published."""
        for group_id, keys in self._standing.items():
            self.found.orphans += self._discard(group_id, self.subject.groups[group_id], list(keys))

    def _discard(self, group_id: int, group: FeatureGroupSpec, keys: Sequence[bytes]) -> int:
        rows = group_in(self.part, group_id, group.reference)
        # The state is read before the rows: an intent raised later makes `discard` refuse.
        state = rows.state()
        if state.floor is None or state.in_flight:
            return 0  # nothing is known yet, or something is on its way: next time
        unknown = self._unknown(group, state, keys)
        if unknown is None:
            self.found.unjudged += len(keys)
            return 0
        stored = zip(unknown, rows.rows(unknown), strict=True)
        orphans = [(key, row) for key, row in stored if row is not None]
        return Removal(self.part, group_id, group.reference).discard(state, orphans)

    def _unknown(
        self, group: FeatureGroupSpec, state: GroupState, keys: Sequence[bytes]
    ) -> list[bytes] | None:
        """Those of these keys whose entities have no row in what is published.

        `None` where the table lacks some of that: it is out of reach, or older than the store.
        """
        snapshot = self.subject.offline.table(feature_table(group)).snapshot()
        published = state.markers if group.online is Online.UPSERT else _served(group, state)
        found = commits_of(snapshot, published)
        if {key: commit.generation for key, commit in found.items()} != dict(published):
            return None
        commits, names = found.values(), list(group.entity.key_names)
        schema = snapshot.scan([]).select(names).collect_schema()
        asked = _entities(group, keys, schema)
        if group.online is Online.UPSERT:
            parts = newest_of_entities(group, snapshot, commits, asked, keys_only=True)
            known = [part.select(names) for _, part in parts]
        else:
            scans = [scan_commit(snapshot, commit).select(names) for commit in commits]
            known = [scan.join(asked.lazy(), on=names, how="semi").collect() for scan in scans]
        left = asked.with_row_index(_PLACE).join(pl.concat([asked.clear(), *known]), names, "anti")
        return [keys[place] for place in left[_PLACE].to_list()]


def _entities(group: FeatureGroupSpec, keys: Sequence[bytes], schema: pl.Schema) -> pl.DataFrame:
    """The join keys that stand in some keys, decoded a slice at a time to save memory."""
    decode = entity_decoder(group.entity)
    parts = (keys[at : at + _DECODED_AT_ONCE] for at in range(0, len(keys), _DECODED_AT_ONCE))
    frames = [
        pl.DataFrame([decode(key[ENTITY_AT:]) for key in part], schema=schema, orient="row")
        for part in parts
    ]
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def _served(group: FeatureGroupSpec, state: GroupState) -> dict[str, int]:
    """The one partition, and its generation, whose rows a snapshot group answers with."""
    if state.floor is None:
        return {}
    partitioning = PARTITIONINGS[group.partitions]
    end = from_microseconds(state.floor.event_timestamp)
    return {partitioning.key(end - partitioning.length): state.floor.generation}


def _plain(reply: Any) -> Any:  # noqa: ANN401 - redis-py's types cover asynchronous clients, too
    return reply
