"""How much memory rows take: predicted from the format, and as the server says of some of them.

The prediction is that of a Valkey 9 with the C library's allocator, as Headrace embeds it; the
samples say what it is on the server at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import polars as pl

from ...contract.feature_group import FeatureGroupSpec, Online
from ..offline.offline_table import OfflineTable
from ..offline.table_snapshot import TableSnapshot
from .group_state import GroupState
from .online_store import OnlineStore
from .opening import group_in
from .projection import commits_of, newest_per_entity, scan_commit
from .registry import Registry
from .row_encoding import encode_keys, encode_values

_SAMPLED_ROWS = 100
_COUNTED_ROWS = 5_000_000
_EMBEDDED_UP_TO = 128  # key, value and object in one allocation
_TABLE_BYTES = 14  # a row's share of the hash table, between two of its doublings


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """What the rows of a group version take online.

    Attributes:
        rows: How many entities have a row.
        rows_are_at_most: The rows of all partitions were added up: entities may be counted twice.
        predicted_bytes_per_row: By the format, of rows as they are in the newest partition.
        sampled_bytes_per_row: By the server (`MEMORY USAGE`) and the same share of its table;
            `None` where it has none of the rows.
    """

    rows: int
    rows_are_at_most: bool
    predicted_bytes_per_row: float
    sampled_bytes_per_row: float | None

    @property
    def predicted_bytes(self) -> int:
        """Of the whole group."""
        return round(self.rows * self.predicted_bytes_per_row)


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """What the server has in use, and how much it may; `None` when it has no limit."""

    used_bytes: int
    max_bytes: int | None


def group_memory(
    group: FeatureGroupSpec, table: OfflineTable, online: OnlineStore, registry: Registry
) -> GroupMemory | None:
    """What a published group takes; `None` of one of which nothing is published.

    Counts entities offline, unless there are so many rows that this would take long.

    Raises:
        StoreUnavailableError: A store cannot be read.
    """
    published = registry.published(group.name, group.version)
    if published is None:
        return None
    group = registry.document(published.document)
    rows = group_in(online, published.group_id, group.reference)
    state, snapshot = rows.state(), table.snapshot()
    commits = commits_of(snapshot, state.markers)
    if not commits:
        return None
    newest = commits[max(commits)]
    frame = newest_per_entity(group, scan_commit(snapshot, newest)).collect()
    frame = frame.gather_every(max(frame.height // _SAMPLED_ROWS, 1)).head(_SAMPLED_ROWS)
    if frame.is_empty():
        return None
    keys = encode_keys(group, published.group_id, frame)
    values = encode_values(group, frame, newest)
    count, is_bound = _count(group, snapshot, state)
    return GroupMemory(
        rows=count,
        rows_are_at_most=is_bound,
        predicted_bytes_per_row=round(
            fmean(
                bytes_of_row(len(key), len(value)) for key, value in zip(keys, values, strict=True)
            ),
            1,
        ),
        sampled_bytes_per_row=_sampled(online, keys),
    )


def store_memory(online: OnlineStore) -> StoreMemory:
    """What the whole server has in use; of a Cluster all primaries together.

    Raises:
        StoreUnavailableError: It does not answer.
    """
    said: list[Any] = []
    for part in online.parts():
        with part.errors() as client:
            said.append(client.info("memory"))
    limits = [int(each.get("maxmemory", 0)) for each in said]
    used = sum(int(each["used_memory"]) for each in said)
    return StoreMemory(used, sum(limits) if all(limits) else None)


def bytes_of_row(key: int, value: int) -> int:
    """The memory that a row takes, from the lengths of its key and of its value in bytes."""
    together = key + value + 17  # an object without a pointer, two headers, two ends
    if together <= _EMBEDDED_UP_TO:
        return _allocated(together) + _TABLE_BYTES
    header = 4 if value < 2**8 else 6 if value < 2**16 else 10
    return _allocated(key + 21) + _allocated(value + header) + _TABLE_BYTES


def _allocated(size: int) -> int:
    """What the C library's allocator takes for a request, without its own 8 bytes."""
    return max(24, -(-(size + 8) // 16) * 16 - 8)


def _sampled(online: OnlineStore, keys: Sequence[bytes]) -> float | None:
    with online.errors() as client, client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.memory_usage(key)
        found = [size for size in pipeline.execute() if size is not None]
    return round(fmean(found) + _TABLE_BYTES, 1) if found else None


def _count(group: FeatureGroupSpec, snapshot: TableSnapshot, state: GroupState) -> tuple[int, bool]:
    """How many entities have a row, and whether that is only an upper bound."""
    commits = commits_of(snapshot, state.markers)
    if group.online is Online.SNAPSHOT:
        return commits[max(commits)].rows, False
    total = sum(commit.rows for commit in commits.values())
    if total > _COUNTED_ROWS:
        return total, True
    names = list(group.entity.key_names)
    entities = [scan_commit(snapshot, commit).select(names) for commit in commits.values()]
    counted = pl.concat(entities).unique().select(pl.len()).collect(engine="streaming")
    return int(counted.item()), False
