"""What the rows of a partition come to, in numbers."""

import polars as pl

from headrace.assets.contents import Contents, contents_of


def test_nulls_are_counted_of_the_columns_that_have_any() -> None:
    rows = pl.DataFrame({"key": [1, 2, 3], "share": [None, 0.5, None], "city": ["a", None, "b"]})

    assert contents_of(rows, 120) == Contents({"share": 2, "city": 1}, 120)
