"""What the online store should hold of a group, said from the offline table.

A projection is a function of which generation of each partition is published, and of nothing else:
it does not matter in which order, or how often, they were.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

import polars as pl

from ...contract.feature_group import FeatureGroupSpec
from ...contract.order import Order
from ...contract.partitions import PARTITIONINGS, Window
from ...contract.rows import to_microseconds
from ..offline.commit_log import Commit
from ..offline.table_snapshot import TableSnapshot
from ..offline.table_spec import BUCKETS, EVENT_TIMESTAMP

_PARTITIONS_AT_ONCE = 32


def window_of(group: FeatureGroupSpec, partition: str) -> Window:
    """The instants of a partition of this group."""
    return PARTITIONINGS[group.partitions].window(partition)


def end_order(group: FeatureGroupSpec, commit: Commit) -> Order:
    """Snapshot groups: the order that every row of a commit has."""
    end = window_of(group, commit.partition).end
    return Order(to_microseconds(end), commit.generation)


def commit_of(snapshot: TableSnapshot, partition: str, generation: int) -> Commit | None:
    """A partition's commit of this generation, or the newest one before it."""
    commit = snapshot.commits.get(partition)
    while commit is not None and commit.generation > generation:
        commit = snapshot.at(commit.version - 1).commits.get(partition)
    return commit


def commits_of(snapshot: TableSnapshot, generations: Mapping[str, int]) -> dict[str, Commit]:
    """The commit of each of these partitions at its generation."""
    found = {
        partition: commit_of(snapshot, partition, generation)
        for partition, generation in generations.items()
    }
    return {partition: commit for partition, commit in found.items() if commit is not None}


def scan_commit(snapshot: TableSnapshot, commit: Commit, bucket: int | None = None) -> pl.LazyFrame:
    """The rows of one commit, also of one that was replaced since; of one entity bucket, or all."""
    (scan,) = scan_commits(snapshot, [commit], None if bucket is None else [bucket])
    return scan


def scan_commits(
    snapshot: TableSnapshot, commits: Iterable[Commit], buckets: Collection[int] | None
) -> list[pl.LazyFrame]:
    """The rows of some commits, also of such as were replaced since, in as few scans as may be.

    Args:
        snapshot: Of their table; at least as new as they are.
        commits: One per partition, at least one.
        buckets: Whose rows; of all entity buckets when `None`.
    """
    at: dict[int, list[str]] = {}
    for commit in commits:
        newest = snapshot.commits.get(commit.partition)
        is_newest = newest is not None and newest.version == commit.version
        last = snapshot.log.last_version(commit.partition, commit.generation)
        version = snapshot.version if is_newest else min(last, snapshot.version)
        at.setdefault(version, []).append(commit.partition)
    return [
        (snapshot if version == snapshot.version else snapshot.at(version)).scan(
            partitions, buckets
        )
        for version, partitions in at.items()
    ]


def buckets_of(snapshot: TableSnapshot) -> range:
    """The table's entity buckets: what may be read one after the other, to save memory."""
    if snapshot.version < 0:
        return range(0)
    properties = snapshot.log.opened().metadata().configuration
    return range(int(properties.get(BUCKETS, "1")))


def newest_per_entity(group: FeatureGroupSpec, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The row with the greatest event timestamp of each entity, sorted by event timestamp."""
    key = list(group.entity.key_names)
    return rows.sort(EVENT_TIMESTAMP).unique(key, keep="last", maintain_order=True)


def of_entities(
    group: FeatureGroupSpec, rows: pl.LazyFrame, entities: pl.DataFrame
) -> pl.LazyFrame:
    """The rows of these entities; files are sorted by join key, and read near them alone.

    Args:
        group: Whose rows.
        rows: As scanned.
        entities: Join keys; at least one.
    """
    key = list(group.entity.key_names)
    first = entities[key[0]]
    # A text by itself would be the name of a column.
    low, high = (pl.lit(bound, first.dtype) for bound in (first.min(), first.max()))
    near = pl.col(key[0]).is_between(low, high)
    return rows.filter(near).join(entities.lazy(), on=key, how="semi")


def newest_rows(
    group: FeatureGroupSpec,
    snapshot: TableSnapshot,
    commits: Iterable[Commit],
    *,
    bucket: int | None = None,
) -> Iterator[tuple[Commit, pl.DataFrame]]:
    """Upsert groups: the newest row of each entity among the rows of these commits.

    Args:
        group: Whose rows.
        snapshot: Of its table; at least as new as the commits.
        commits: One per partition.
        bucket: Only the entities of this bucket are looked for. All when `None`.

    Yields:
        A commit and those of its rows that are the newest of their entity.
    """
    by_key = {commit.partition: commit for commit in commits}
    newest_first = iter(sorted(by_key, reverse=True))
    key, found = list(group.entity.key_names), None
    while chunk := list(islice(newest_first, _PARTITIONS_AT_ONCE)):
        buckets = None if bucket is None else [bucket]
        scans = scan_commits(snapshot, [by_key[partition] for partition in chunk], buckets)
        newest = newest_per_entity(group, pl.concat(scans)).collect()
        newest = newest if found is None else newest.join(found, on=key, how="anti")
        found = pl.concat([frame for frame in (found, newest.select(key)) if frame is not None])
        for partition, rows in by_partition(group, newest):
            yield by_key[partition], rows


def by_partition(group: FeatureGroupSpec, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Rows of an upsert group by the partition in which their event timestamps lie."""
    partitioning = PARTITIONINGS[group.partitions]
    column = partitioning.column  # reserved: no feature bears this name
    keyed = rows.with_columns(
        pl.col(EVENT_TIMESTAMP).dt.truncate(partitioning.length).alias(column)
    )
    for (start,), part in keyed.partition_by(column, as_dict=True).items():
        yield partitioning.key(start), part.drop(column)
