"""Rows sorted by entity and event timestamp, and the search for an entity's newest accepted one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ...resources.offline.column_values import Columns, Positions, Values, taken
from ...resources.offline.row_order import lie_in_order, row_order
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from .acceptance import Instants


@dataclass(frozen=True, slots=True)
class Slices:
    """Where the rows of each of some entities lie; of length 0 where there are none."""

    begins: Positions
    lengths: Positions

    def at(self, entities: Positions) -> "Slices":
        """Those of some of the entities, which may repeat."""
        return Slices(self.begins.take(entities), self.lengths.take(entities))


@dataclass(frozen=True, slots=True)
class SortedRows:
    """Rows of a feature table in the order of their entities, and those of one entity in time's.

    Values stay where they are; what is searched is sorted.

    Attributes:
        order: Which of the rows is the first, the second, ...; `None`: they lie in that order.
        times: Their event timestamps, in order.
        entities: Their distinct join keys, in order.
        slices: The rows of each of the entities, and at last an empty one.
    """

    order: Positions | None
    times: Instants
    entities: Columns
    slices: Slices

    @classmethod
    def of(cls, rows: Columns, keys: Sequence[str]) -> "SortedRows":
        """Take the rows as they are if they are sorted, as the store's files are; else sort them.

        Args:
            rows: Join keys and event timestamp, and perhaps others.
            keys: The names of the join keys.
        """
        times = np.asarray(rows[EVENT_TIMESTAMP])
        by = {name: rows[name] for name in keys}
        starts, entities = _entities(by)
        order = None
        if not (lie_in_order(list(entities.values())) and _are_ascending(times, starts)):
            order = row_order([*by.values(), times])
        if order is not None:
            times = times.take(order)
            starts, entities = _entities(
                {name: taken(values, order) for name, values in by.items()}
            )
        begins = np.append(starts, len(times))
        return cls(order, times, entities, Slices(begins, np.diff(begins, append=len(times))))

    def slices_of(self, asked: Columns) -> Slices:
        """Where the rows of some entities lie.

        Args:
            asked: Distinct join keys without nulls.
        """
        return self.slices.at(positions_of(asked, self.entities))

    def newest(self, among: Slices, until: Instants) -> tuple[Positions, Positions]:
        """Find the newest row of each of some slices, up to an instant each.

        Returns:
            Which of the slices have such a row, and where in `times` each of those rows is.
        """
        found = _last_until(self.times, among, until)
        there = np.flatnonzero(found >= among.begins)
        return there, found.take(there)

    def places(self, found: Positions) -> Positions:
        """Where rows lie among those that were given."""
        return found if self.order is None else self.order.take(found)


def entity_starts(keys: Sequence[Values]) -> Positions:
    """The positions of the rows that differ in a join key from the row before them."""
    changes = np.zeros(len(keys[0]), np.bool_)
    changes[:1] = True
    for values in keys:
        if isinstance(values, np.ndarray):
            changes[1:] |= values[1:] != values[:-1]
        else:
            changes[1:] |= (values.slice(1) != values.head(-1)).to_numpy()
    return np.flatnonzero(changes)


def positions_of(asked: Columns, entities: Columns) -> Positions:
    """Where each of the asked join keys stands among some entities; -1 where it does not.

    Args:
        asked: Join keys without nulls.
        entities: Distinct ones of the same columns; in order, as `SortedRows` has them.
    """
    (values, *more), (wanted, *_) = entities.values(), asked.values()
    if not len(values):
        return np.full(len(wanted), -1, np.int64)
    if not more and isinstance(values, np.ndarray) and isinstance(wanted, np.ndarray):
        at = np.searchsorted(values, wanted)
        np.minimum(at, len(values) - 1, out=at)
        at[values.take(at) != wanted] = -1
        return at
    position = "position of the entity"  # No identifier: no join key is called so.
    found = pl.DataFrame(asked).join(
        pl.DataFrame(entities).with_row_index(position),
        on=list(entities),
        how="left",
        maintain_order="left",
    )
    return found[position].cast(pl.Int64).fill_null(-1).to_numpy()


def _entities(keys: Columns) -> tuple[Positions, Columns]:
    """Where each entity's rows begin, and its join keys."""
    starts = entity_starts(list(keys.values()))
    return starts, {name: taken(values, starts) for name, values in keys.items()}


def _are_ascending(times: Instants, starts: Positions) -> bool:
    """Whether no row is older than the one before it, but for the first of an entity."""
    is_older = times[1:] < times[:-1]
    is_older[starts[1:] - 1] = False
    return not is_older.any()


def _last_until(times: Instants, among: Slices, until: Instants) -> Positions:
    """In each of some sorted slices the last position with time <= until; before it when none.

    A binary search of all at once; what it computes goes into the same memory round by round.
    """
    found, left = among.begins - 1, among.lengths + 1  # one of so many from there on
    half, probe, at_probe = (np.empty_like(found) for _ in range(3))
    is_earlier = np.empty(len(found), np.bool_)
    for _ in range(int(among.lengths.max(initial=0)).bit_length()):
        np.right_shift(left, 1, out=half)
        np.add(found, half, out=probe)
        times.take(probe, out=at_probe, mode="clip")
        np.less_equal(at_probe, until, out=is_earlier)
        left -= half
        half *= is_earlier
        found += half
    return found
