"""What the rows of a partition come to, in numbers that people watch over time."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of a partition, in numbers.

    Attributes:
        nulls: How many values are null, of each column that has any.
        stored_bytes: What its files come to, compressed.
    """

    nulls: Mapping[str, int]
    stored_bytes: int


def contents_of(rows: pl.DataFrame, stored_bytes: int) -> Contents:
    """The contents of rows that were committed."""
    counts = {column.name: column.null_count() for column in rows}
    return Contents({name: count for name, count in counts.items() if count}, stored_bytes)
