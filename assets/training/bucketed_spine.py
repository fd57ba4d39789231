"""A spine sorted into entity buckets: once for all groups of one entity and number of buckets."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import polars as pl

from ...resources.offline.column_values import Columns, Positions, columns_of, taken
from ...resources.offline.entity_buckets import entity_buckets
from ...resources.offline.row_order import row_order
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from .acceptance import Instants
from .sorted_rows import entity_starts

_ROWS_AT_ONCE = 1 << 16  # what is computed of them stays in a core's cache


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
    entities: Columns
    codes: Positions


def bucketed_spine(
    spine: pl.DataFrame, keys: Sequence[str], buckets: int, threads: Executor
) -> list[SpineBucket]:
    """The buckets that the spine touches, in order; rows with a null key or time are in none."""
    rows, whole = spine.select(*keys, EVENT_TIMESTAMP), None
    if any(column.null_count() for column in rows.iter_columns()):
        is_whole = rows.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
        rows, whole = rows.filter(is_whole), np.flatnonzero(is_whole.to_numpy())
    columns = columns_of(rows.rechunk())

    def bucket(part: tuple[int, Positions]) -> SpineBucket:
        number, places = part
        in_spine = places if whole is None else whole.take(places)
        return _bucket(number, in_spine, _at(columns, places), keys)

    return list(threads.map(bucket, _by_bucket(rows.select(keys), buckets, threads)))


def _by_bucket(
    keys: pl.DataFrame, buckets: int, threads: Executor
) -> Iterator[tuple[int, Positions]]:
    """Each bucket that has rows, with their positions."""

    def numbers_from(start: int) -> pl.Series:
        return entity_buckets(keys.slice(start, _ROWS_AT_ONCE), keys.columns, buckets)

    if keys.is_empty():
        return
    starts = range(0, keys.height, _ROWS_AT_ONCE)
    numbers = pl.concat(threads.map(numbers_from, starts), rechunk=True).to_numpy()
    # A stable sort of small numbers takes linear time.
    order = np.argsort(numbers.astype(np.min_scalar_type(buckets - 1)), kind="stable")
    ends = np.cumsum(np.bincount(numbers)).tolist()
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if start < end:
            yield number, order[start:end]


def _bucket(number: int, rows: Positions, columns: Columns, keys: Sequence[str]) -> SpineBucket:
    order = row_order([columns[name] for name in keys])
    if order is not None:
        rows, columns = rows.take(order), _at(columns, order)
    starts = entity_starts([columns[name] for name in keys])
    lengths = np.diff(np.append(starts, len(rows)))
    return SpineBucket(
        number,
        rows=rows,
        times=np.asarray(columns[EVENT_TIMESTAMP]),
        entities=_at({name: columns[name] for name in keys}, starts),
        codes=np.repeat(np.arange(len(starts)), lengths),
    )


def _at(columns: Columns, positions: Positions) -> Columns:
    return {name: taken(values, positions) for name, values in columns.items()}
