"""What strangers read of an exported table: types, filters, partitions."""

from dataclasses import replace
from datetime import date, datetime

import polars as pl
import pytest

from headrace.contract.feature_group import DType, FeatureSpec
from headrace.contract.partitions import HOURLY
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.iceberg.mirrors import Mirror, assert_mirrored, committed
from headrace.tests.resources.offline.tables import (
    LAST_BASKET,
    SPEND,
    START,
    commit,
    day,
    end,
    snapshot_rows,
    upsert_rows,
)


def test_all_types_of_features_are_read_as_they_are(mirror: Mirror) -> None:
    columns = tuple(
        FeatureSpec(dtype.name.lower(), dtype, nullable=True, description=f"A {dtype.name}.")
        for dtype in DType
    )
    spec = feature_table(replace(SPEND, features=columns))
    values = {
        DType.BOOL: True,
        DType.INT32: -(2**31),
        DType.INT64: 2**62,
        DType.FLOAT32: 0.5,
        DType.FLOAT64: float("inf"),
        DType.STRING: "o'south",
        DType.BYTES: b"\x00\xff",
        DType.DATE: date(2018, 1, 1),
        DType.TIMESTAMP: START,
        DType.FLOAT32_LIST: [0.5, 1.5],
        DType.FLOAT64_LIST: [],
        DType.INT64_LIST: [2**62],
    }
    full, empty = [values[dtype] for dtype in DType], [None for _ in DType]
    rows = pl.DataFrame([(1, end(0), *full), (2, end(0), *empty)], schema=spec.schema, orient="row")
    table = mirror.store.table(spec)
    commit(table, 0, rows)

    mirror.export()

    assert_mirrored(mirror, table)
    with mirror.table() as exported:
        assert exported.schema().find_field("bool").doc == "A BOOL."


@pytest.mark.parametrize(
    ("row_filter", "number"),
    [
        ("event_timestamp = '2018-01-02T00:00:00+00:00'", 0),
        ("event_timestamp in ('2018-01-03T00:00:00+00:00')", 1),
        ("event_timestamp > '2018-01-03T23:59:59+00:00'", 2),
    ],
)
def test_a_filter_on_time_gives_the_rows_of_the_partition_and_opens_no_other_file(
    mirror: Mirror, spend: OfflineTable, row_filter: str, number: int
) -> None:
    mirror.export()
    expected = spend.snapshot().scan([day(number)]).collect()

    # The column that is filtered by is not among those that are read.
    read = mirror.read(row_filter, ["household_id"])

    assert read["household_id"].to_list() == sorted(expected["household_id"])
    assert mirror.files(row_filter) == set(spend.snapshot().files([day(number)]))


@pytest.mark.parametrize(
    ("row_filter", "expression"),
    [
        ("household_id = 4", pl.col("household_id") == 4),
        ("household_id = 400", pl.col("household_id") == 400),
        ("amount > 6.5 and household_id < 8", pl.col("amount").is_between(6.6, 7.9)),
        ("store is null", pl.col("store").is_null()),
        ("store = 'north'", pl.col("store") == "north"),
        ("store = 'north' or amount = 3", (pl.col("store") == "north") | (pl.col("amount") == 3)),
    ],
)
def test_filters_on_features_give_the_rows_of_the_delta_table(
    mirror: Mirror, spend: OfflineTable, row_filter: str, expression: pl.Expr
) -> None:
    """Strings are filtered, too, which no reader can where files are recorded as string views."""
    rows = snapshot_rows(3, {1: 1.0, 5: 5.0}).with_columns(store=pl.lit("north"))
    commit(spend, 3, rows)
    mirror.export()

    assert mirror.read(row_filter).equals(committed(spend).filter(expression))


def test_partition_columns_follow_from_the_rows(mirror: Mirror, spend: OfflineTable) -> None:
    """They are copies, in the names of folders: a stranger finds the rows without them."""
    mirror.export()

    with mirror.table() as table:
        (field,) = table.spec().fields
        assert {*table.schema().column_names} == {*spend.spec.schema}
    assert field.name == "event_timestamp_day"
    assert mirror.duckdb(
        "SELECT strftime(event_timestamp - INTERVAL 1 microsecond, '%Y-%m-%d') AS key, count(*)"
        " FROM spend GROUP BY key ORDER BY key"
    ) == [(day(number), 9 - number) for number in range(3)]


def test_an_hourly_upsert_group_is_found_by_the_hour(mirror: Mirror) -> None:
    table = mirror.store.table(
        feature_table(replace(LAST_BASKET, name="spend", partitions="HOURLY"))
    )
    at = datetime.fromisoformat("2018-01-01T05:20:00+00:00")
    for hour in (5, 6):
        when = at.replace(hour=hour)
        table.commit(
            HOURLY.key(when),
            upsert_rows((1, when, 1.0), (2, when.replace(minute=59), 2.0)),
            identity=str(hour),
            run_id="r",
            code_version="c",
            verdicts={},
        )

    mirror.export()

    assert_mirrored(mirror, table)
    assert mirror.files("event_timestamp < '2018-01-01T05:30:00+00:00'") == set(
        table.snapshot().files(["2018-01-01-05:00"])
    )
    assert mirror.read("event_timestamp < '2018-01-01T05:30:00+00:00'").height == 1
