from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.assets.training.acceptance import Intervals
from headrace.assets.training.sorted_rows import SortedRows, positions_of

START = datetime(2018, 1, 1, tzinfo=UTC)
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), unique=True, max_size=30)
ASKED = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(-1, 10), st.integers(0, 5)), max_size=10
)


def frame(rows: list[tuple[str, int]], key: str) -> pl.DataFrame:
    times = [START + timedelta(microseconds=at) for _, at in rows]
    keys = pl.Series([word for word, _ in rows], dtype=pl.String)
    if key == "number":
        keys = keys.replace_strict(["a", "b", "c"], [3, -4, 2**60], return_dtype=pl.Int64)
    return pl.DataFrame(
        {key: keys, "event_timestamp": pl.Series(times, dtype=pl.Datetime("us", "UTC"))}
    )


@given(rows=ROWS, asked=ASKED, key=st.sampled_from(["word", "number"]))
def test_the_newest_row_of_an_interval_is_found_in_whatever_order_the_rows_are(
    rows: list[tuple[str, int]], asked: list[tuple[str, int, int]], key: str
) -> None:
    known = [each for each in asked if each[0] in {word for word, _ in rows}]
    wanted = frame([(word, 0) for word, _, _ in known], key).select(key)
    base = int(START.timestamp()) * 1_000_000
    newest = np.array([until for _, until, _ in known], np.int64) + base
    ages = np.array([age for _, _, age in known], np.int64)

    found = SortedRows.of(frame(rows, key), [key])
    entities = positions_of(wanted, found.entities)
    some, accepted = found.newest(entities, Intervals(newest - ages, newest))

    def times(positions: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[int | None]:
        lie = found.rows["event_timestamp"].to_physical()
        places = found.positions(np.maximum(positions, 0)).tolist() if rows else positions
        return [
            lie[place] - base if at >= 0 else None
            for at, place in zip(positions, places, strict=True)
        ]

    last = [
        max((at for each, at in rows if each == word and at <= until), default=None)
        for word, until, _ in known
    ]
    assert times(some) == last
    assert times(accepted) == [
        at if at is not None and at >= until - age else None
        for at, (_, until, age) in zip(last, known, strict=True)
    ]


def test_rows_that_are_sorted_are_taken_as_they_are() -> None:
    rows = frame([("a", 1), ("a", 2), ("b", 0)], "word")

    found = SortedRows.of(rows, ["word"])

    assert found.order is None
    assert found.starts.tolist() == [0, 2, 3]
    assert positions_of(pl.DataFrame({"word": ["b", "c", "a"]}), found.entities).tolist() == [
        1,
        -1,
        0,
    ]
