from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.assets.training.content_hash import FrameDigest, content_hash
from headrace.contract.errors import InvalidArgumentError

GOLDEN = "f38731e78e85ade858420ac756a3c195"
FLOATS = pl.List(pl.Float64)


def hashed(values: Sequence[object], dtype: pl.DataType | type[pl.DataType] | None = None) -> str:
    return content_hash(pl.DataFrame({"a": pl.Series(values, dtype=dtype)}))


def test_a_hash_is_part_of_every_receipt_and_never_changes() -> None:
    frame = pl.DataFrame(
        {
            "number": [1, None],
            "real": [0.5, float("nan")],
            "flag": [True, None],
            "text": ["ä", None],
            "raw": [b"\x00", b""],
            "day": [date(2018, 1, 1), None],
            "instant": [datetime(2018, 1, 1, tzinfo=UTC), None],
            "list": [[1.0, None], []],
        }
    )

    assert content_hash(frame) == GOLDEN


@pytest.mark.parametrize(
    ("left", "right", "dtype"),
    [
        (["ab", "c"], ["a", "bc"], pl.String),
        ([None, ""], ["", None], pl.String),
        ([0.0], [-0.0], pl.Float64),
        ([1, None], [None, 1], pl.Int64),
        ([1, None], [1, 0], pl.Int64),
        ([True, False], [False, True], pl.Boolean),
        ([[1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0]], FLOATS),
        ([None, []], [[], None], FLOATS),
        ([[None]], [[]], FLOATS),
        ([[1.0, 2.0]], [[2.0, 1.0]], FLOATS),
        ([{"x": 1}], [{"x": 2}], pl.Struct({"x": pl.Int64})),
        ([Decimal("1.50")], [Decimal("1.51")], pl.Decimal(10, 2)),
        ([timedelta(1)], [timedelta(2)], pl.Duration("us")),
        ([[1, 2]], [[2, 1]], pl.Array(pl.Int64, 2)),
        ([2**64 - 1], [2**64 - 2], pl.UInt64),
        ([2**100], [2**100 + 1], pl.Int128),
        (["a"], ["b"], pl.Enum(["a", "b"])),
        (["a"], ["b"], pl.Categorical()),
        ([[[1], [2]]], [[[1, 2], []]], pl.List(pl.List(pl.Int64))),
        ([{"x": None}], [None], pl.Struct({"x": pl.Int64})),
    ],
)
def test_different_content_has_different_hashes(
    left: list[object], right: list[object], dtype: pl.DataType
) -> None:
    assert hashed(left, dtype) != hashed(right, dtype)


def test_names_types_and_order_are_content() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [3, 4]})

    hashes = {
        content_hash(other)
        for other in (
            frame,
            frame.rename({"a": "c"}),
            frame.select("b", "a"),
            frame.reverse(),
            frame.cast({"a": pl.Int32}),
            frame.head(1),
        )
    }

    assert len(hashes) == 6


def test_chunks_and_kinds_of_nan_are_not_content() -> None:
    frame = pl.DataFrame({"text": ["a", "b"], "real": [1.0, float("nan")]})
    chunked = pl.concat([frame.head(1), frame.tail(1)], rechunk=False)

    assert content_hash(chunked) == content_hash(frame)
    assert hashed([float("nan")]) == hashed([-float("nan")])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pl.Datetime("us", "UTC"), pl.Datetime("us")),
        (pl.Datetime("us"), pl.Datetime("ms")),
        (pl.List(pl.Int64), pl.List(pl.Int32)),
        (pl.List(pl.Int64), pl.Array(pl.Int64, 2)),
        (pl.Decimal(10, 2), pl.Decimal(11, 2)),
        (pl.Struct({"x": pl.Int64}), pl.Struct({"y": pl.Int64})),
        (pl.Enum(["a"]), pl.Enum(["a", "b"])),
        (pl.String(), pl.Binary()),
    ],
)
def test_a_type_is_content_even_where_no_value_shows_it(
    left: pl.DataType, right: pl.DataType
) -> None:
    assert hashed([None], left) != hashed([None], right)


def test_python_objects_have_no_content_to_name() -> None:
    with pytest.raises(InvalidArgumentError, match="column 'a': it holds Python objects"):
        hashed([object()], pl.Object)


# ---- laws ----

COLUMNS = {
    "number": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "real": (pl.Float64(), st.floats()),
    "flag": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), st.text(max_size=3)),
    "raw": (pl.Binary(), st.binary(max_size=3)),
    "kind": (pl.Enum(["a", "b"]), st.sampled_from(["a", "b"])),
    "list": (pl.List(pl.Float64), st.lists(st.floats() | st.none(), max_size=3)),
    "pair": (pl.Array(pl.String, 2), st.lists(st.text(max_size=2), min_size=2, max_size=2)),
    "both": (
        pl.Struct({"x": pl.Int32, "y": pl.List(pl.String)}),
        st.fixed_dictionaries(
            {"x": st.integers(0, 9) | st.none(), "y": st.lists(st.text(max_size=2), max_size=2)}
        ),
    ),
}
SCHEMA = {name: dtype for name, (dtype, _) in COLUMNS.items()}
ROWS = st.lists(
    st.fixed_dictionaries({name: values | st.none() for name, (_, values) in COLUMNS.items()}),
    max_size=8,
)


@settings(deadline=None, max_examples=25)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 8), max_size=3))
def test_a_frame_in_parts_hashes_as_the_whole(
    rows: list[dict[str, object]], cuts: list[int]
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    bounds = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    parts = FrameDigest()

    for start, end in pairwise(bounds):
        parts.update(frame.slice(start, end - start))

    assert parts.combined(frame.columns) == content_hash(frame)
    assert parts.combined(["text", "number"]) == content_hash(frame.select("text", "number"))


@settings(deadline=None, max_examples=25)
@given(rows=ROWS, others=ROWS)
def test_frames_hash_alike_iff_they_are_equal(
    rows: list[dict[str, object]], others: list[dict[str, object]]
) -> None:
    frame, other = (pl.DataFrame(each, schema=SCHEMA) for each in (rows, others))

    for name in frame.columns:
        left, right = frame.select(name), other.select(name)
        is_equal = repr(left.rows()) == repr(right.rows())  # tells -0.0 from 0.0, and NaN is NaN
        assert (content_hash(left) == content_hash(right)) == is_equal


@settings(deadline=None, max_examples=25)
@given(rows=ROWS.filter(bool), new=ROWS.filter(bool), data=st.data())
def test_a_change_of_one_cell_changes_the_hash(
    rows: list[dict[str, object]], new: list[dict[str, object]], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(list(COLUMNS)))
    changed = [dict(each) for each in rows]
    changed[row][name] = new[0][name]
    one, other = (pl.DataFrame(each, schema=SCHEMA) for each in (rows, changed))

    assert (content_hash(one) == content_hash(other)) == (repr(one.rows()) == repr(other.rows()))
