"""The same partition computed twice has the same bits, whatever order rows come in."""

import polars as pl
import pytest

from headrace.assets.declarations import FeatureGroup
from headrace.assets.discovery import discover
from headrace.tests.assets.real_rows import computed, end_of, inputs_of

GROUPS = {name: group for (name, _), group in discover().groups.items()}
PARTITIONS = ["2017-01-02", "2017-11-23", "2017-12-25"]


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("name", GROUPS)
def test_rows_are_the_same_in_any_order_and_on_any_engine(name: str, partition: str) -> None:
    group = GROUPS[name]
    shuffled = {
        name: frame.sample(fraction=1, shuffle=True, seed=7)
        for name, frame in inputs_of(group, partition).items()
    }

    again = group(end=end_of(group, partition), **shuffled).collect(engine="streaming")

    assert computed(group, partition).equals(again.sort(group.spec.entity.key_names))


@pytest.mark.parametrize("name", GROUPS)
def test_columns_and_types_are_the_tables(name: str) -> None:
    group = GROUPS[name]

    columns = computed(group, PARTITIONS[0]).schema

    assert {name: dtype for name, dtype in group.table.columns if name in columns} == columns
    assert {name for name, _ in group.table.columns} - set(columns) <= {"event_timestamp"}


@pytest.mark.parametrize("name", GROUPS)
def test_a_partition_without_rows_has_no_rows(name: str) -> None:
    group = GROUPS[name]
    empty = {name: frame.clear() for name, frame in inputs_of(group, PARTITIONS[0]).items()}

    rows = group(end=end_of(group, PARTITIONS[0]), **empty).collect()

    assert rows.height == 0
    assert rows.schema == computed(group, PARTITIONS[0]).schema


def test_entities_are_unique_in_a_partition() -> None:
    def duplicates(group: FeatureGroup) -> int:
        keys = computed(group, PARTITIONS[1]).select(group.spec.entity.key_names)
        return int(keys.is_duplicated().sum())

    assert {name: duplicates(group) for name, group in GROUPS.items()} == dict.fromkeys(GROUPS, 0)


def test_a_day_without_purchases_leaves_windows_and_no_baskets() -> None:
    rows = {name: computed(group, "2017-12-25").height for name, group in GROUPS.items()}

    assert rows["household_last_basket"] == 0
    assert rows["household_spend"] > 2_000
    assert computed(GROUPS["household_spend"], "2017-12-25").select(
        pl.col("spend_1d", "baskets_1d").sum()
    ).rows() == [(0.0, 0)]
