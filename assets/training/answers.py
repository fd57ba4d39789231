"""What was found for the rows of a spine: a group's columns, filled in piece by piece.

Whole numbers, floats and instants go straight to their place in one array per column: each value is
moved once. Of other types the pieces are kept and put in order at the end.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...resources.offline.column_values import Columns, Positions, Values, taken


class Answers:
    """The columns of one group at the rows of a spine; null where nothing was put.

    Several threads may put at once, as long as their rows of the spine are different ones.
    """

    def __init__(self, schema: Mapping[str, pl.DataType], height: int) -> None:
        """Begin with nulls.

        Args:
            schema: The features, by name, in order.
            height: How many rows the spine has.
        """
        self._answered = np.zeros(height, np.bool_)
        self._columns: dict[str, _Column] = {
            name: _Fixed(dtype, self._answered)
            if dtype.is_numeric() or dtype.is_temporal()
            else _Pieces(dtype, height)
            for name, dtype in schema.items()
        }

    def put(self, rows: Positions, found: Columns, positions: Positions) -> None:
        """Say that the spine's rows have these rows that were found, position by position."""
        self._answered[rows] = True
        for name, column in self._columns.items():
            column.put(rows, found[name], positions)

    def frame(self) -> pl.DataFrame:
        """All columns, one row per row of the spine."""
        return pl.DataFrame([column.series().alias(name) for name, column in self._columns.items()])


class _Column(Protocol):
    def put(self, rows: Positions, found: Values, positions: Positions) -> None: ...

    def series(self) -> pl.Series: ...


class _Fixed:
    """A column of a type that an array holds."""

    def __init__(self, dtype: pl.DataType, answered: NDArray[np.bool_]) -> None:
        self._dtype, self._answered = dtype, answered
        physical = pl.Series([], dtype=dtype).to_physical()
        self._values = np.zeros(len(answered), physical.to_numpy().dtype)
        self._nulls: list[Positions] = []

    def put(self, rows: Positions, found: Values, positions: Positions) -> None:
        if isinstance(found, pl.Series):
            physical = found.to_physical()
            self._nulls.append(rows[physical.is_null().to_numpy()[positions]])
            found = physical.fill_null(0).to_numpy()
        self._values[rows] = found.take(positions)

    def series(self) -> pl.Series:
        values = pl.Series(self._values).cast(self._dtype)
        unknown = ~self._answered
        for rows in self._nulls:
            unknown[rows] = True
        return values.set(pl.Series(unknown), None) if unknown.any() else values


class _Pieces:
    """A column of any other type."""

    def __init__(self, dtype: pl.DataType, height: int) -> None:
        self._dtype, self._height = dtype, height
        self._pieces: list[tuple[Positions, pl.Series]] = []

    def put(self, rows: Positions, found: Values, positions: Positions) -> None:
        self._pieces.append((rows, _compact(pl.Series(taken(found, positions)))))

    def series(self) -> pl.Series:
        nothing = pl.Series([None], dtype=self._dtype)
        # Gathering at random from many chunks costs six times as much as from one.
        values = pl.concat([*(series.rename("") for _, series in self._pieces), nothing]).rechunk()
        places = np.full(self._height, len(values) - 1, np.uint32)
        if self._pieces:
            rows = np.concatenate([each for each, _ in self._pieces])
            places[rows] = np.arange(len(rows), dtype=np.uint32)
        return values.gather(pl.Series(places))


def _compact(values: pl.Series) -> pl.Series:
    """The same values: gathered texts would keep all the texts in memory that they lay among."""
    if values.dtype not in (pl.String(), pl.Binary()):
        return values
    return pl.Series(pl.from_arrow(values.to_arrow(compat_level=pl.CompatLevel.oldest())))
