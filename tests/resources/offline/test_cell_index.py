"""The index beside a history's rows finds what a search of the rows would find, or is not there."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.feature_group import EntitySpec, FeatureGroupSpec
from headrace.contract.partitions import HOURLY
from headrace.resources.offline.cell_index import CellIndex, partition_numbers, table_cut
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.assets.training.test_join_laws import WIDE, WORDS
from headrace.tests.resources.offline.tables import DAY, LAST_BASKET, SPEND, START, upsert_rows

_INSTANTS = st.builds(
    lambda day, hours: START + day * DAY + timedelta(hours=hours),
    st.integers(0, 4),
    st.sampled_from([0, 7, 23]),
)
_KEYS = st.sampled_from([-3, 0, 5, 2**40])


def sorted_rows(rows: list[tuple[int, datetime]]) -> pl.DataFrame:
    frame = upsert_rows(*((key, at, 0.5) for key, at in rows))
    return frame.sort("household_id", "event_timestamp")


@pytest.mark.parametrize("group", [SPEND, LAST_BASKET], ids=lambda group: group.name)
@given(
    rows=st.lists(st.tuples(_KEYS, _INSTANTS), unique=True, min_size=1, max_size=40),
    copies=st.sampled_from([1, 300]),
    asked=st.lists(st.tuples(st.integers(-1, 3), st.integers(-2, 6)), max_size=20),
)
def test_the_newest_row_up_to_a_partition_is_found_at_one_look(
    group: FeatureGroupSpec,
    rows: list[tuple[int, datetime]],
    copies: int,
    asked: list[tuple[int, int]],
) -> None:
    if group is SPEND:  # rows bear the ends of their partitions
        rows = sorted({(key, START + DAY * (1 + (at - START) // DAY)) for key, at in rows})
    spec = feature_table(group)
    # So many rows of the same instant that a byte does not count them: no table holds such.
    frame = pl.concat([sorted_rows(rows)] * copies).sort("household_id", "event_timestamp")
    index = CellIndex.of(frame, spec)
    cut = table_cut(spec)
    assert cut is not None
    assert index is not None
    content, words = index.to_bytes()
    again = CellIndex.from_bytes(memoryview(content), words)
    assert again is not None
    asked = [(entity, number) for entity, number in asked if entity < len(index.entities)]
    numbers = partition_numbers(frame["event_timestamp"].to_physical().to_numpy(), cut)
    base = int(numbers.min())
    entities = np.array([entity for entity, _ in asked], np.int64)
    partitions = np.array([base + number for _, number in asked], np.int64)

    for each in (index, again):
        there, found = each.newest(entities, partitions)

        keys = frame["household_id"].to_numpy()
        known = [
            np.flatnonzero((keys == each.entities[entity]) & (numbers <= base + number))
            if entity >= 0
            else np.empty(0, np.int64)
            for entity, number in asked
        ]
        assert there.tolist() == [place for place, rows in enumerate(known) if len(rows)]
        assert found.tolist() == [rows[-1] for rows in known if len(rows)]


@pytest.mark.parametrize("entity", [WORDS, WIDE], ids=lambda entity: entity.name)
def test_of_other_keys_than_one_number_there_is_no_index(entity: EntitySpec) -> None:
    spec = feature_table(replace(LAST_BASKET, entity=entity))
    rows = pl.DataFrame(schema=spec.schema)
    keys = {name: [value] for name, value in {"word": "a", "tag": b"", "number": 1}.items()}
    values = {**keys, "on": [START.date()], "event_timestamp": [START], "amount": [0.5]}
    rows = pl.DataFrame(
        {name: values.get(name, [None]) for name in rows.columns}, schema=spec.schema
    )

    assert CellIndex.of(pl.concat([rows] * 100), spec) is None


def test_of_few_rows_in_many_hours_there_is_no_index() -> None:
    spec = feature_table(replace(LAST_BASKET, partitions=HOURLY.name))
    few = sorted_rows([(key, START + 29 * DAY * (key % 2)) for key in range(100)])
    many = sorted_rows([(1, START + timedelta(hours=hour)) for hour in range(100)])

    assert CellIndex.of(few, spec) is None
    assert CellIndex.of(many, spec) is not None


def test_an_index_of_another_form_is_none_and_one_that_is_damaged_is_refused() -> None:
    index = CellIndex.of(
        sorted_rows([(1, START + timedelta(hours=hour)) for hour in range(24)]),
        feature_table(LAST_BASKET),
    )
    assert index is not None
    content, words = index.to_bytes()

    assert (
        CellIndex.from_bytes(memoryview(content), words.replace('"form": 1', '"form": 2')) is None
    )
    for damaged in (content[:-1], content[:-1] + b"\xff", b"\x02" + content[1:]):
        with pytest.raises(ValueError, match=r"damaged|buffer"):
            CellIndex.from_bytes(memoryview(damaged), words)
    for other in (words.replace("entities", "entity"), words.replace("[86400000000, 0]", "0")):
        with pytest.raises(ValueError, match="cannot be read"):
            CellIndex.from_bytes(memoryview(content), other)
