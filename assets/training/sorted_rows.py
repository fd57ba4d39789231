"""Rows sorted by entity and event timestamp, and the search for an entity's newest accepted one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...resources.offline.row_order import lie_in_order, row_order
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from .acceptance import Instants, Intervals

Positions = NDArray[np.int64]
"""Indices of rows; -1 stands for none."""


@dataclass(frozen=True, slots=True)
class SortedRows:
    """Rows of a feature table in the order of their entities, and those of one entity in time's.

    Values stay where they are; what is searched is sorted.

    Attributes:
        rows: The rows, as they were read.
        order: Which of them is the first, the second, ...; `None`: they lie in that order.
        times: Their event timestamps, in order.
        entities: Their distinct join keys, in order.
        starts: Where each entity's rows begin, and behind the last one where they end.
    """

    rows: pl.DataFrame
    order: Positions | None
    times: Instants
    entities: pl.DataFrame
    starts: Positions

    @classmethod
    def of(cls, rows: pl.DataFrame, keys: Sequence[str]) -> "SortedRows":
        """Take the rows as they are if they are sorted, as the store's files are; else sort them.

        Args:
            rows: Join keys, event timestamp and features, with no nulls but in features.
            keys: The names of the join keys.
        """
        rows = rows.rechunk()
        times = rows[EVENT_TIMESTAMP].to_physical().to_numpy()
        starts = entity_starts([rows[name] for name in keys])
        entities = rows.select(keys)[starts]
        order = None
        if not (lie_in_order(entities, keys) and _are_ascending(times, starts)):
            order = row_order(rows, [*keys, EVENT_TIMESTAMP])
        if order is not None:
            times, ordered = times[order], rows.select(keys)[order]
            starts = entity_starts([ordered[name] for name in keys])
            entities = ordered[starts]
        return cls(rows, order, times, entities, np.append(starts, rows.height))

    def positions(self, found: Positions) -> Positions:
        """Where rows that were found lie in `rows`."""
        return found if self.order is None else self.order[found]

    def newest(self, entities: Positions, intervals: Intervals) -> tuple[Positions, Positions]:
        """Find the newest accepted row of each of some entities.

        Args:
            entities: Positions in `entities`, none of them -1.
            intervals: What is accepted of each.

        Returns:
            For each the position of the entity's newest row up to the interval's end, and the same
            where that row lies within the interval; both -1 where there is none.
        """
        begins = self.starts[entities]
        found = _last_until(self.times, begins, self.starts[entities + 1], intervals.newest)
        known = found >= begins
        found = np.where(known, found, -1)
        accepted = known & (self.times[found] >= intervals.oldest)
        return found, np.where(accepted, found, -1)


def entity_starts(keys: Sequence[pl.Series]) -> Positions:
    """The positions of the rows that differ in a join key from the row before them."""
    changes = np.zeros(len(keys[0]), np.bool_)
    changes[:1] = True
    for column in keys:
        values = _comparable(column)
        if isinstance(values, np.ndarray):
            changes[1:] |= values[1:] != values[:-1]
        else:
            changes[1:] |= (values.slice(1) != values.head(-1)).to_numpy()
    return np.flatnonzero(changes)


def _are_ascending(times: Instants, starts: Positions) -> bool:
    """Whether no row is older than the one before it, but for the first of an entity."""
    is_older = np.zeros(len(times), np.bool_)
    np.less(times[1:], times[:-1], out=is_older[1:])
    is_older[starts] = False
    return not is_older.any()


def positions_of(asked: pl.DataFrame, entities: pl.DataFrame) -> Positions:
    """Where each of the asked join keys stands among some entities.

    Args:
        asked: Join keys without nulls.
        entities: Distinct ones of the same columns; in order, as `SortedRows` has them.
    """
    if entities.is_empty():
        return np.full(asked.height, -1, np.int64)
    if entities.width == 1:
        values, wanted = _comparable(entities.to_series()), _comparable(asked.to_series())
        if isinstance(values, np.ndarray) and isinstance(wanted, np.ndarray):
            at = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
            return np.where(values[at] == wanted, at, -1)
    position = "position of the entity"  # No identifier: no join key is called so.
    found = asked.join(
        entities.with_row_index(position), on=entities.columns, how="left", maintain_order="left"
    )
    return found[position].cast(pl.Int64).fill_null(-1).to_numpy()


def _last_until(times: Instants, begins: Positions, ends: Positions, until: Instants) -> Positions:
    """In each of some sorted slices the last position with time <= until; before it when none."""
    found, left = begins - 1, ends - begins + 1  # the answer is one of so many from there on
    for _ in range(int(left.max(initial=1) - 1).bit_length()):
        half = left >> 1
        probe = found + half
        np.copyto(found, probe, where=times[probe] <= until)
        left -= half
    return found


def _comparable(values: pl.Series) -> NDArray[np.int64] | pl.Series:
    """Whole numbers and dates as an array, which is compared fastest; else the column itself."""
    physical = values.to_physical()
    return physical.to_numpy() if physical.dtype.is_integer() else values
