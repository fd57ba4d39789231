"""A spine sorted into entity buckets: once for all groups of one entity and number of buckets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ...resources.offline.entity_buckets import entity_buckets
from ...resources.offline.table_spec import BUCKET_COLUMN, EVENT_TIMESTAMP
from .acceptance import Instants
from .sorted_rows import Positions, entity_starts

# No column of a schema can bear this name: it is no identifier.
_ROW = "row of the spine"


@dataclass(frozen=True, slots=True)
class SpineBucket:
    """The spine's rows of one entity bucket; an entity's rows are neighbours.

    Attributes:
        rows: Their positions in the spine.
        times: Their event timestamps.
        entities: The distinct join keys among them.
        codes: Of each row the position of its join keys in `entities`.
    """

    bucket: int
    rows: Positions
    times: Instants
    entities: pl.DataFrame
    codes: Positions


def bucketed_spine(spine: pl.DataFrame, keys: Sequence[str], buckets: int) -> list[SpineBucket]:
    """The buckets that the spine touches, in order; rows with a null key or time are in none."""
    rows = spine.select(*keys, EVENT_TIMESTAMP).with_row_index(_ROW).drop_nulls()
    if buckets > 1:
        rows = rows.with_columns(entity_buckets(rows, keys, buckets)).sort(BUCKET_COLUMN, *keys)
        counts = np.bincount(rows[BUCKET_COLUMN].to_numpy(), minlength=buckets).tolist()
    else:
        rows, counts = rows.sort(keys), [rows.height]
    found, offset = [], 0
    for bucket, count in enumerate(counts):
        if count:
            found.append(_bucket(bucket, rows.slice(offset, count), keys))
        offset += count
    return found


def _bucket(bucket: int, rows: pl.DataFrame, keys: Sequence[str]) -> SpineBucket:
    starts = entity_starts(rows, keys)
    lengths = np.diff(np.append(starts, rows.height))
    return SpineBucket(
        bucket,
        rows=rows[_ROW].cast(pl.Int64).to_numpy(),
        times=rows[EVENT_TIMESTAMP].to_physical().to_numpy(),
        entities=rows.select(keys)[starts],
        codes=np.repeat(np.arange(len(starts)), lengths),
    )
