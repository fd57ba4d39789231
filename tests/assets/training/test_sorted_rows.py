from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.assets.training.sorted_rows import SortedRows, positions_of
from headrace.resources.offline.column_values import columns_of

START = datetime(2018, 1, 1, tzinfo=UTC)
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), unique=True, max_size=30)
ASKED = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-1, 10)), max_size=10)


def frame(rows: list[tuple[str, int]], key: str) -> pl.DataFrame:
    times = [START + timedelta(microseconds=at) for _, at in rows]
    keys = pl.Series([word for word, _ in rows], dtype=pl.String)
    if key == "number":
        keys = keys.replace_strict(["a", "b", "c", "d"], [3, -4, 2**60, 5], return_dtype=pl.Int64)
    return pl.DataFrame(
        {key: keys, "event_timestamp": pl.Series(times, dtype=pl.Datetime("us", "UTC"))}
    )


@given(rows=ROWS, asked=ASKED, key=st.sampled_from(["word", "number"]))
def test_the_newest_row_until_a_time_is_found_in_whatever_order_the_rows_are(
    rows: list[tuple[str, int]], asked: list[tuple[str, int]], key: str
) -> None:
    columns = columns_of(frame(rows, key))
    wanted = frame(asked, key)
    distinct = wanted[key].unique(maintain_order=True)
    codes = [distinct.to_list().index(value) for value in wanted[key]]

    sorted_rows = SortedRows.of(columns, [key])
    among = sorted_rows.slices_of(columns_of(distinct.to_frame())).at(np.array(codes, np.int64))
    there, found = sorted_rows.newest(among, np.asarray(columns_of(wanted)["event_timestamp"]))

    known = [
        [place for place, (each, at) in enumerate(rows) if each == word and at <= until]
        for word, until in asked
    ]
    assert there.tolist() == [number for number, places in enumerate(known) if places]
    assert sorted_rows.places(found).tolist() == [
        max(places, key=lambda place: rows[place][1]) for places in known if places
    ]


def test_rows_that_are_sorted_are_taken_as_they_are() -> None:
    rows = frame([("a", 1), ("a", 2), ("b", 0)], "word")

    found = SortedRows.of(columns_of(rows), ["word"])

    assert found.order is None
    assert found.slices.begins.tolist() == [0, 2, 3]
    assert found.slices.lengths.tolist() == [2, 1, 0]
    asked = columns_of(pl.DataFrame({"word": ["b", "c", "a"]}))
    assert positions_of(asked, found.entities).tolist() == [1, -1, 0]
