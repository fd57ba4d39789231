from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from headrace.assets.training.receipts import content_hash

GOLDEN = "28df9c35def8674f0d3beab6d0ffdf95"
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
