"""The order of rows by some columns: of whole numbers several times faster than a general sort.

A number and its row's position are packed into one integer. numpy sorts those by vector
instructions, and nothing has to be looked up while they are compared.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .column_values import Positions, Values

_BITS = 63  # of a signed integer that is not negative


def row_order(by: Sequence[Values]) -> Positions | None:
    """The positions of rows in ascending order of some columns; `None`: they lie in it.

    Ties stay in their order.

    Args:
        by: Columns without nulls; the first decides before the second.
    """
    numbers = [_numbers(values) for values in by]
    whole = [each for each in numbers if each is not None]
    order = None
    if len(whole) == len(by):
        if _are_in_order(whole):
            return None
        order = _sorted(whole)
    if order is None:
        order = _sorted_by_polars(by)
    return None if bool(np.all(order[1:] > order[:-1])) else order


def lie_in_order(by: Sequence[Values]) -> bool:
    """Whether `row_order` would find nothing to do; of whole numbers without sorting them."""
    numbers = [_numbers(values) for values in by]
    whole = [each for each in numbers if each is not None]
    return _are_in_order(whole) if len(whole) == len(by) else row_order(by) is None


def _sorted_by_polars(by: Sequence[Values]) -> Positions:
    rows = pl.DataFrame({str(place): values for place, values in enumerate(by)})
    order = rows.select(pl.arg_sort_by(*rows.columns, maintain_order=True)).to_series()
    return order.cast(pl.Int64).to_numpy()


def _numbers(values: Values) -> NDArray[np.int64] | None:
    """Whole numbers of 64 bits that compare as the values do; `None`: there are none."""
    if isinstance(values, np.ndarray):
        return values.astype(np.int64, copy=False) if values.dtype.kind == "i" else None
    if not (values.dtype.is_integer() or values.dtype.is_temporal()):
        return None
    physical = values.to_physical()
    if physical.dtype in (pl.UInt64, pl.Int128, pl.UInt128):
        return None
    return physical.cast(pl.Int64).to_numpy()


def _are_in_order(columns: Sequence[NDArray[np.int64]]) -> bool:
    """Whether no row comes before the one above it; the first column decides first."""
    *before, last = columns
    after = last[1:] >= last[:-1]
    for numbers in reversed(before):
        after = (numbers[1:] > numbers[:-1]) | ((numbers[1:] == numbers[:-1]) & after)
    return bool(np.all(after))


def _sorted(columns: Sequence[NDArray[np.int64]]) -> Positions | None:
    """The positions by the columns; `None` if values of one differ too much to be packed."""
    order: Positions | None = None
    for numbers in reversed(columns):  # each keeps what those before it did among its ties
        if order is None and bool(np.all(numbers[1:] >= numbers[:-1])):
            continue  # events, for one, arrive in time's order
        step = _sorted_by(numbers if order is None else numbers[order])
        if step is None:
            return None
        order = step if order is None else order[step]
    return order


def _sorted_by(numbers: NDArray[np.int64]) -> Positions | None:
    least, bits = int(numbers.min()), (len(numbers) - 1).bit_length()
    if (int(numbers.max()) - least).bit_length() + bits > _BITS:
        return None
    packed = (numbers - least) << bits
    packed |= np.arange(len(packed))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed
