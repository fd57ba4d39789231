"""Which entity bucket a row lies in: a hash of its join keys that no release may change."""

import zlib
from collections.abc import Collection, Sequence
from typing import TypeAlias

import numpy as np
import polars as pl

from .table_spec import BUCKET_COLUMN

_Bits: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint64]]

_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def entity_buckets(frame: pl.DataFrame, key: Sequence[str], buckets: int) -> pl.Series:
    """The bucket of each row, `entity_bucket` (Int32, 0 <= bucket < buckets).

    Polars' own hash may change between releases; this one is part of the tables' format: SplitMix64
    over the join keys in declared order, where strings and bytes enter by their CRC-32 and length.

    Args:
        frame: Rows without null join keys; only the columns in `key` are read.
        key: The join keys in declared order.
        buckets: The declared number of buckets.
    """
    if buckets == 1 or frame.is_empty():
        return pl.Series(BUCKET_COLUMN, np.zeros(frame.height, np.int32))
    state = np.zeros(frame.height, np.uint64)
    for name in key:
        state = _mixed((state ^ _integers(frame[name])) + _GOLDEN)
    return pl.Series(BUCKET_COLUMN, (state % np.uint64(buckets)).astype(np.int32))


def is_in_buckets(key: Sequence[str], buckets: int, wanted: Collection[int]) -> pl.Expr:
    """Whether a row lies in one of these buckets; one without an entity counts to the first.

    Args:
        key: The join keys in declared order, of the types that they were declared with.
        buckets: The declared number of buckets.
        wanted: Some of the buckets.
    """

    def mask(keys: pl.Series) -> pl.Series:
        frame = keys.struct.unnest()
        is_whole = frame.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        numbers = np.zeros(frame.height, np.int32)
        numbers[is_whole] = entity_buckets(frame.drop_nulls(), key, buckets).to_numpy()
        return pl.Series(np.isin(numbers, sorted(wanted)))

    columns = pl.struct(key)
    return columns.map_batches(mask, return_dtype=pl.Boolean(), is_elementwise=True)


def _integers(values: pl.Series) -> _Bits:
    if values.dtype in (pl.String, pl.Binary):
        raw = values.cast(pl.Binary)
        distinct = raw.unique()
        hashes = [len(item) << 32 | zlib.crc32(item) for item in distinct]
        coded = raw.replace_strict(distinct, hashes, return_dtype=pl.Int64)
        return coded.to_numpy().view(np.uint64)
    return values.to_physical().cast(pl.Int64).to_numpy().view(np.uint64)


def _mixed(state: _Bits) -> _Bits:
    state = (state ^ (state >> np.uint64(30))) * _MULTIPLIERS[0]
    state = (state ^ (state >> np.uint64(27))) * _MULTIPLIERS[1]
    return state ^ (state >> np.uint64(31))
