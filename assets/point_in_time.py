"""Point-in-time correct training data: to each row of a spine what was known at its time, no more.

What is known at a time is what the online store would have answered then, had every partition been
published when it ended (architecture, §4):

* Snapshot groups: the newest committed partition with end <= t says the whole truth, as long as its
  age t - end is at most the TTL. An entity that it does not hold is unknown, whatever came before.
* Upsert groups: the entity's newest row among the partitions with end <= t, as long as its own age
  t - event timestamp is at most the TTL.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import polars as pl

from ..contract.errors import InvalidArgumentError
from ..contract.feature_group import Online
from ..resources.offline.dtypes import polars_dtype
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.table_spec import EVENT_TIMESTAMP, EVENT_TIMESTAMP_TYPE
from .training.as_of_join import latest_rows, newest_partitions
from .training.feature_columns import GroupColumns, resolve
from .training.receipts import Receipt, TableReading, content_hash

__all__ = ["OfflineStore", "training_frame"]


def training_frame(
    spine: pl.DataFrame,
    features: Sequence[str],
    store: OfflineStore,
    known_at: datetime | None = None,
) -> tuple[pl.DataFrame, Receipt]:
    """Join the features to the spine as they were known at its times.

    Args:
        spine: The groups' join keys, `event_timestamp` (UTC, microseconds) and any other columns.
            Keys may repeat; where a key or the time is null, nothing is known.
        features: `group:feature`, or `group` for all of its features; `group@version` where the
            live version is not meant.
        store: Where the tables are.
        known_at: Reads every table as it was committed at this instant; `None`: the newest state.

    Returns:
        The spine's rows in the spine's order, with one column `group__feature` per feature in the
        order asked, null where nothing was known; and the receipt that says what they were made of.

    Raises:
        InvalidFeatureReferenceError: A reference is malformed.
        UnknownNameError: No table holds such a group, version or feature.
        InvalidArgumentError: The spine's columns or `known_at` do not fit.
    """
    if known_at is not None and known_at.tzinfo is None:
        raise InvalidArgumentError(
            argument="known_at", problem=f"{known_at} has no time zone", remedy="give it in UTC"
        )
    groups, columns = resolve(features, store, known_at)
    _check_spine(spine, groups, columns)
    found: dict[str, pl.Series] = {}
    for group in groups:
        found.update(_values(spine, group))
    frame = spine.with_columns(found[column].alias(column) for column in columns)
    if frame.height != spine.height:
        msg = f"a spine of {spine.height} rows became {frame.height}: a defect of this library"
        raise RuntimeError(msg)
    return frame, Receipt(
        features=tuple(str(reference) for reference in columns.values()),
        tables=tuple(
            TableReading(group.spec.reference, group.snapshot.version, group.document)
            for group in groups
        ),
        known_at=known_at,
        rows=frame.height,
        spine_hash=content_hash(spine),
        null_counts={column: frame[column].null_count() for column in columns},
        content_hash=content_hash(frame),
    )


def _values(spine: pl.DataFrame, group: GroupColumns) -> dict[str, pl.Series]:
    """The group's columns, by output name, one value per row of the spine in its order."""
    join = latest_rows if group.spec.online is Online.UPSERT else newest_partitions
    asked = spine.select(*group.spec.entity.key_names, EVENT_TIMESTAMP)
    values = join(asked, group.snapshot, group.spec, list(group.columns))
    return {column: values[feature] for feature, column in group.columns.items()}


def _check_spine(
    spine: pl.DataFrame, groups: Iterable[GroupColumns], columns: Iterable[str]
) -> None:
    found = spine.schema.get(EVENT_TIMESTAMP)
    if found != EVENT_TIMESTAMP_TYPE:
        raise InvalidArgumentError(
            argument=f"spine, column {EVENT_TIMESTAMP!r}",
            problem=f"it has to be {EVENT_TIMESTAMP_TYPE}, and is {found or 'missing'}",
            remedy='convert it with dt.convert_time_zone("UTC").dt.cast_time_unit("us")'
            ' (a naive one: dt.replace_time_zone("UTC") first)',
        )
    for spec in (group.spec for group in groups):
        for key in spec.entity.join_keys:
            dtype, found = polars_dtype(key.dtype), spine.schema.get(key.name)
            if found != dtype:
                raise InvalidArgumentError(
                    argument=f"spine, column {key.name!r}",
                    problem=f"{spec.reference} needs it as {dtype}; it is {found or 'missing'}",
                    remedy="add the join key, or cast it",
                )
    taken = sorted(set(columns) & set(spine.columns))
    if taken:
        raise InvalidArgumentError(
            argument=f"spine, column {taken[0]!r}",
            problem="a feature's column bears that name",
            remedy="rename it, or leave the feature out",
        )
