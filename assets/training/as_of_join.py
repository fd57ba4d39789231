"""The two joins of point-in-time data, one for each semantics. Grain: one row out per row asked."""

import polars as pl

from ...contract.feature_group import FeatureGroupSpec
from ...contract.partitions import PARTITIONINGS
from ...contract.status import microseconds
from ...resources.offline.table_snapshot import TableSnapshot
from ...resources.offline.table_spec import EVENT_TIMESTAMP, EVENT_TIMESTAMP_TYPE

# No column of a schema can bear these names: they are no identifiers.
_ROW, _TIME, _CUTOFF, _PARTITION = "row asked", "time asked", "known before", "partition end"


def newest_partitions(
    asked: pl.DataFrame, snapshot: TableSnapshot, group: FeatureGroupSpec, features: list[str]
) -> pl.DataFrame:
    """What a snapshot group said of each entity at each time.

    Args:
        asked: The group's join keys and `event_timestamp`.
        snapshot: The group's table; only the partitions that a time falls to are opened.
        group: The group, with the TTL that counts.
        features: The columns wanted.

    Returns:
        The features, in the rows' order; null where the partition is too old or lacks the entity.
    """
    keys = list(group.entity.key_names)
    window = PARTITIONINGS[group.partitions].window
    ends = {window(partition).end: partition for partition in snapshot.commits}
    committed = pl.DataFrame({_PARTITION: sorted(ends)}, schema={_PARTITION: EVENT_TIMESTAMP_TYPE})
    times = asked.select(pl.col(EVENT_TIMESTAMP).unique().drop_nulls().sort())
    known = times.join_asof(
        committed, left_on=EVENT_TIMESTAMP, right_on=_PARTITION, strategy="backward"
    ).filter(pl.col(_PARTITION).is_not_null(), _is_fresh(group, EVENT_TIMESTAMP, _PARTITION))
    rows = snapshot.scan(ends[end] for end in known[_PARTITION].unique())
    wanted = asked.lazy().join(known.lazy(), on=EVENT_TIMESTAMP, how="left", maintain_order="left")
    return (
        wanted.join(
            rows.select(*keys, pl.col(EVENT_TIMESTAMP).alias(_PARTITION), *features),
            on=[*keys, _PARTITION],
            how="left",
            maintain_order="left",
        )
        .select(features)
        .collect()
    )


def latest_rows(
    asked: pl.DataFrame, snapshot: TableSnapshot, group: FeatureGroupSpec, features: list[str]
) -> pl.DataFrame:
    """The newest row that an upsert group knew of each entity; else like `newest_partitions`.

    Rows are known from their partition's end on: at t, those with event timestamp before t floored
    to the partition. If the newest one is too old, so is every older one.
    """
    keys = list(group.entity.key_names)
    length = microseconds(PARTITIONINGS[group.partitions].length)
    floor = pl.col(_TIME).to_physical() // length * length
    wanted = (
        asked.with_row_index(_ROW)
        .rename({EVENT_TIMESTAMP: _TIME})
        .filter(pl.col(_TIME).is_not_null())
        # The join takes what is at or before the cutoff: one microsecond before the floor.
        .with_columns((floor - 1).cast(EVENT_TIMESTAMP_TYPE).alias(_CUTOFF))
        .sort(_CUTOFF)
    )
    rows = (
        snapshot.scan(_partitions_between(wanted, snapshot, group))
        .select(*keys, EVENT_TIMESTAMP, *features)
        .sort(EVENT_TIMESTAMP)
    )
    known = (
        wanted.lazy()
        .join_asof(
            rows,
            left_on=_CUTOFF,
            right_on=EVENT_TIMESTAMP,
            by=keys,
            strategy="backward",
            check_sortedness=False,
        )
        .filter(_is_fresh(group, _TIME, EVENT_TIMESTAMP))
        .select(_ROW, *features)
    )
    every = asked.lazy().with_row_index(_ROW).select(_ROW)
    return every.join(known, on=_ROW, how="left", maintain_order="left").select(features).collect()


def _partitions_between(
    wanted: pl.DataFrame, snapshot: TableSnapshot, group: FeatureGroupSpec
) -> list[str]:
    """The partitions that may hold an answer: known at the last time, not too old at the first."""
    if wanted.is_empty():
        return []
    first, last = wanted.select(pl.col(_TIME).min(), pl.col(_CUTOFF).max()).row(0)
    windows = {key: PARTITIONINGS[group.partitions].window(key) for key in snapshot.commits}
    return [
        key
        for key, window in windows.items()
        if window.start <= last and (group.ttl is None or first - window.end < group.ttl)
    ]


def _is_fresh(group: FeatureGroupSpec, time: str, event_timestamp: str) -> pl.Expr:
    if group.ttl is None:
        return pl.lit(value=True)
    age = pl.col(time).to_physical() - pl.col(event_timestamp).to_physical()
    return age <= microseconds(group.ttl)
