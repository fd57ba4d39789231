"""A spine sorted into entity buckets: once for all groups of one entity and number of buckets."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import polars as pl

from ...resources.offline.entity_buckets import entity_buckets
from ...resources.offline.row_order import row_order
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from .acceptance import Instants
from .sorted_rows import Positions, entity_starts

# No column of a schema can bear this name: it is no identifier.
_ROW = "row of the spine"
_SMALL = 1 << 16


@dataclass(frozen=True, slots=True)
class SpineBucket:
    """The spine's rows of one entity bucket; an entity's rows are neighbours.

    Attributes:
        rows: Their positions in the spine.
        times: Their event timestamps.
        instants: The same, each once, in order.
        entities: The distinct join keys among them.
        codes: Of each row the position of its join keys in `entities`.
    """

    bucket: int
    rows: Positions
    times: Instants
    instants: Instants
    entities: pl.DataFrame
    codes: Positions


def bucketed_spine(
    spine: pl.DataFrame, keys: Sequence[str], buckets: int, threads: Executor
) -> list[SpineBucket]:
    """The buckets that the spine touches, in order; rows with a null key or time are in none."""
    rows = spine.select(*keys, EVENT_TIMESTAMP).with_row_index(_ROW).drop_nulls()
    counts = [rows.height]
    if buckets > 1:
        numbers = entity_buckets(rows, keys, buckets).to_numpy()
        # A stable sort of small numbers takes linear time.
        small = numbers.astype(np.uint16) if buckets <= _SMALL else numbers
        rows = rows[np.argsort(small, kind="stable")]
        counts = np.bincount(numbers, minlength=buckets).tolist()
    ends = np.cumsum(counts).tolist()
    parts = (
        (bucket, rows.slice(end - count, count))
        for bucket, (end, count) in enumerate(zip(ends, counts, strict=True))
        if count
    )
    return list(threads.map(lambda part: _bucket(part[0], part[1], keys), parts))


def _bucket(bucket: int, rows: pl.DataFrame, keys: Sequence[str]) -> SpineBucket:
    order = row_order(rows, keys)
    rows = rows if order is None else rows[order]
    starts = entity_starts([rows[name] for name in keys])
    lengths = np.diff(np.append(starts, rows.height))
    times = rows[EVENT_TIMESTAMP].to_physical().to_numpy()
    return SpineBucket(
        bucket,
        rows=rows[_ROW].cast(pl.Int64).to_numpy(),
        times=times,
        instants=np.unique(times),
        entities=rows.select(keys)[starts],
        codes=np.repeat(np.arange(len(starts)), lengths),
    )
