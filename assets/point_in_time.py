"""Point-in-time correct training data: to each row of a spine what was known at its time, no more.

What is known at a time is what the online store would have answered then, had every partition been
published when it ended (architecture, §4):

* Snapshot groups: the newest committed partition with end <= t says the whole truth, as long as its
  age t - end is at most the TTL. An entity that it does not hold is unknown, whatever came before.
* Upsert groups: the entity's newest row among the partitions with end <= t, as long as its own age
  t - event timestamp is at most the TTL.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from ..contract.errors import InvalidArgumentError
from ..resources.offline.offline_store import OfflineStore
from .training.feature_columns import resolve
from .training.join import joined
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
    frame = joined(spine, groups).select(*spine.columns, *columns)
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
