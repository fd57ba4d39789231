"""The order of rows by some columns: that of a stable sort, whatever the columns hold."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.resources.offline.column_values import values_of
from headrace.resources.offline.row_order import lie_in_order, row_order

_INT64 = st.integers(-(2**63), 2**63 - 1)
_NEAR = st.integers(-3, 3)
_INSTANTS = st.integers(-(10**15), 10**15).map(
    lambda offset: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=offset)
)
_COLUMNS = {
    "near": (_NEAR, pl.Int64()),
    "narrow": (_NEAR, pl.Int8()),
    "wide": (_INT64, pl.Int64()),
    "unsigned": (st.integers(0, 2**64 - 1), pl.UInt64()),
    "text": (st.sampled_from(["", "a", "b", "é"]), pl.String()),
    "day": (st.dates(), pl.Date()),
    "at": (_INSTANTS, pl.Datetime("us", "UTC")),
}


@st.composite
def _frames(draw: st.DrawFn) -> tuple[pl.DataFrame, list[str]]:
    by = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, max_size=3, unique=True))
    height = draw(st.integers(0, 12))
    values = {
        name: draw(st.lists(_COLUMNS[name][0], min_size=height, max_size=height)) for name in by
    }
    return pl.DataFrame(values, schema={name: _COLUMNS[name][1] for name in by}), by


@given(_frames())
def test_rows_are_ordered_as_a_stable_sort_orders_them(
    given_: tuple[pl.DataFrame, list[str]],
) -> None:
    frame, by = given_
    rows = frame.with_row_index("place")
    found = rows
    for values in ([rows[name] for name in by], [values_of(rows[name]) for name in by]):
        order = row_order(values)
        found = rows if order is None else rows[order]
        assert found.equals(rows.sort(by, maintain_order=True))
        assert lie_in_order(values) is (order is None)
    assert lie_in_order([found[name] for name in by])


@pytest.mark.parametrize("name", ["near", "text"])
def test_rows_that_lie_in_order_are_left_alone(name: str) -> None:
    values = ["a", "a", "b"] if name == "text" else [1, 1, 2]
    assert row_order([pl.Series(name, values)]) is None


def test_whole_numbers_that_differ_by_more_than_fits_beside_a_position_are_ordered() -> None:
    order = row_order([pl.Series([2**63 - 1, -(2**63), 0])])
    assert order is not None
    assert order.tolist() == [1, 2, 0]
