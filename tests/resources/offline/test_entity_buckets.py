from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.resources.offline.entity_buckets import entity_buckets

GOLDEN = {
    "number": [535, 465, 936, 39],
    "small": [535, 465, 936, 407],
    "text": [535, 14, 694, 31],
    "raw": [535, 569, 926, 14],
    "day": [535, 650, 936, 473],
    "all": [286, 360, 53, 879],
}


def test_buckets_are_part_of_the_format_and_never_change() -> None:
    keys = pl.DataFrame(
        {
            "number": [0, 1, -1, 2**63 - 1],
            "small": pl.Series([0, 1, -1, 2**31 - 1], dtype=pl.Int32),
            "text": ["", "a", "ä", "a much longer key"],
            "raw": [b"", b"\x00", b"\xff", b"a"],
            "day": [date(1970, 1, 1), date(2018, 1, 1), date(1969, 12, 31), date(9999, 12, 31)],
        }
    )

    found = {name: entity_buckets(keys, [name], 1000).to_list() for name in keys.columns}
    found["all"] = entity_buckets(keys, keys.columns, 1000).to_list()

    assert found == GOLDEN


def test_one_bucket_holds_everything() -> None:
    keys = pl.DataFrame({"number": [1, 2, 3]})

    assert entity_buckets(keys, ["number"], 1).to_list() == [0, 0, 0]


def test_no_rows_have_no_buckets() -> None:
    keys = pl.DataFrame(schema={"number": pl.Int64, "text": pl.String})

    buckets = entity_buckets(keys, ["number", "text"], 16)

    assert buckets.equals(pl.Series("entity_bucket", [], dtype=pl.Int32))


def test_the_order_of_the_join_keys_matters() -> None:
    keys = pl.DataFrame({"left": range(100), "right": range(100, 200)})

    forth = entity_buckets(keys, ["left", "right"], 1000)

    assert not forth.equals(entity_buckets(keys, ["right", "left"], 1000))


@given(start=st.integers(-(2**40), 2**40), step=st.sampled_from([1, 16, 1000, 2**20]))
def test_regular_keys_spread_evenly(start: int, step: int) -> None:
    keys = pl.DataFrame({"number": [start + step * index for index in range(16_000)]})

    counts = entity_buckets(keys, ["number"], 16).value_counts()["count"]

    # The expectation is 1,000 each, its standard deviation 31: ten of them do not happen.
    assert counts.len() == 16
    assert counts.to_list() == [count for count in counts if 690 < count < 1310]


@given(st.lists(st.text(max_size=5), min_size=1), st.integers(2, 50))
def test_an_entity_always_lies_in_the_same_bucket(keys: list[str], buckets: int) -> None:
    together = entity_buckets(pl.DataFrame({"text": keys}), ["text"], buckets).to_list()

    alone = [entity_buckets(pl.DataFrame({"text": [key]}), ["text"], buckets)[0] for key in keys]

    assert together == alone
    assert set(together) <= set(range(buckets))
