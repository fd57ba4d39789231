"""Laws of the check by key: whatever order rows come in, sorted or not."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.errors import DuplicateRowsError
from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.resources.offline.row_checks import checked
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import LAST_BASKET, SPEND, START, day, end

PAIR = EntitySpec("pair", (JoinKey("name", DType.STRING), JoinKey("number", DType.INT64)))
UPSERT = feature_table(replace(LAST_BASKET, entity=PAIR))
SNAPSHOT = feature_table(replace(SPEND, entity=PAIR))

keys = st.tuples(st.sampled_from(["", "a", "ab", "é"]), st.integers(-2, 2))
instants = st.integers(0, 3).map(lambda number: START + timedelta(hours=number))
arrivals = st.tuples(st.lists(st.tuples(keys, instants), max_size=12), st.booleans())


def rows(asked: list[tuple[tuple[str, int], object]]) -> pl.DataFrame:
    listed = [(*key, at, 1.0, None) for key, at in asked]
    return pl.DataFrame(listed, schema=UPSERT.schema, orient="row")


@given(arrivals)
def test_rows_are_sorted_by_key_and_time_or_refused_with_the_number_of_repetitions(
    arrived: tuple[list[tuple[tuple[str, int], object]], bool],
) -> None:
    asked, in_order = arrived
    asked = sorted(asked, key=_place) if in_order else asked
    distinct = sorted(set(asked), key=_place)

    if len(distinct) == len(asked):
        assert checked(UPSERT, day(0), rows(asked)).equals(rows(distinct))
    else:
        with pytest.raises(DuplicateRowsError) as refused:
            checked(UPSERT, day(0), rows(asked))
        assert refused.value.count == len(asked) - len(distinct)


@given(st.lists(keys, max_size=12))
def test_rows_of_one_instant_are_sorted_by_key_or_refused(asked: list[tuple[str, int]]) -> None:
    distinct = sorted(set(asked), key=lambda key: (key[0].encode(), key[1]))

    if len(distinct) == len(asked):
        found = checked(SNAPSHOT, day(0), rows([(key, end(0)) for key in asked]))
        assert found.equals(rows([(key, end(0)) for key in distinct]))
    else:
        with pytest.raises(DuplicateRowsError):
            checked(SNAPSHOT, day(0), rows([(key, end(0)) for key in asked]))


def _place(row: tuple[tuple[str, int], object]) -> tuple[bytes, int, object]:
    (name, number), at = row
    return name.encode(), number, at
