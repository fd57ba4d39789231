"""What a table does not take: then nothing of the call is committed."""

from dataclasses import replace

import polars as pl
import pytest

from headrace.contract.errors import (
    ColumnMismatchError,
    DataError,
    DuplicateRowsError,
    RowsOutsidePartitionError,
)
from headrace.contract.feature_group import DType, FeatureSpec, Online
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    MICROSECOND,
    PRODUCTS,
    SPEND,
    START,
    amounts,
    commit,
    end,
    snapshot_rows,
    upsert_rows,
)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (snapshot_rows(0, {1: 1.0}).drop("store"), "'store' (String) is missing"),
        (snapshot_rows(0, {1: 1.0}).with_columns(x=1), "'x' (Int32) is unexpected"),
        (
            snapshot_rows(0, {1: 1.0}).cast({"amount": pl.Int64}),
            "'amount' is Int64, expected Float64",
        ),
        (
            snapshot_rows(0, {1: 1.0}).with_columns(
                pl.col("event_timestamp").dt.replace_time_zone(None)
            ),
            "'event_timestamp' is Datetime(time_unit='us', time_zone=None)",
        ),
    ],
)
def test_other_columns_or_types_than_the_declared_are_refused(
    spend: OfflineTable, frame: pl.DataFrame, said: str
) -> None:
    with pytest.raises(ColumnMismatchError) as refusal:
        commit(spend, 0, frame)

    assert said in str(refusal.value)
    assert not spend.exists()


def test_a_type_that_delta_would_cast_is_refused(store: OfflineStore) -> None:
    spec = replace(PRODUCTS, columns=(("product_id", pl.UInt32()),))

    with pytest.raises(ColumnMismatchError, match="UInt32 cannot be stored in Delta as it is"):
        store.table(spec).commit(
            "all",
            pl.DataFrame({"product_id": [1]}, schema=spec.schema),
            identity="i",
            run_id="r",
            code_version="c",
            verdicts={},
        )


@pytest.mark.parametrize("instant", [end(0) - MICROSECOND, end(0) + MICROSECOND, START])
def test_a_snapshot_row_bears_the_end_of_its_partition(spend: OfflineTable, instant: str) -> None:
    rows = snapshot_rows(0, {1: 1.0}).with_columns(pl.lit(instant).alias("event_timestamp"))

    with pytest.raises(RowsOutsidePartitionError, match="1 rows lie outside"):
        commit(spend, 0, rows)


def test_an_upsert_row_lies_in_its_half_open_partition(baskets: OfflineTable) -> None:
    commit(baskets, 0, upsert_rows((1, START, 1.0), (1, end(0) - MICROSECOND, 2.0)))

    with pytest.raises(RowsOutsidePartitionError, match="2 rows lie outside"):
        commit(
            baskets,
            0,
            upsert_rows((1, START - MICROSECOND, 1.0), (2, START, 1.0), (3, end(0), 1.0)),
        )
    assert amounts(baskets) == [(1, 1.0), (1, 2.0)]


def test_a_row_without_event_timestamp_lies_in_no_partition(baskets: OfflineTable) -> None:
    rows = upsert_rows((1, START, 1.0)).with_columns(event_timestamp=None)

    with pytest.raises(RowsOutsidePartitionError):
        commit(baskets, 0, rows.cast(baskets.spec.schema))


def test_an_entity_has_one_row_for_an_event_timestamp(baskets: OfflineTable) -> None:
    with pytest.raises(DuplicateRowsError, match="1 rows repeat a key"):
        commit(baskets, 0, upsert_rows((1, START, 1.0), (2, START, 1.0), (1, START, 2.0)))


def test_a_join_key_is_never_null(spend: OfflineTable) -> None:
    rows = snapshot_rows(0, {1: 1.0, 2: 2.0}).with_columns(
        pl.when(pl.col("household_id") == 1).then("household_id")
    )

    with pytest.raises(DuplicateRowsError, match="1 rows have a null join key"):
        commit(spend, 0, rows)


def test_a_refused_partition_leaves_the_last_good_one_in_place(spend: OfflineTable) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    with pytest.raises(DataError):
        commit(spend, 0, snapshot_rows(1, {1: 2.0}))

    assert amounts(spend) == [(1, 1.0)]


@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT, None])
def test_a_list_that_holds_a_null_is_refused_before_it_could_not_be_published(
    store: OfflineStore, online: Online | None
) -> None:
    vector = FeatureSpec("vector", DType.FLOAT32_LIST, nullable=True)
    table = store.table(feature_table(replace(SPEND, features=(vector,), online=online)))
    keys = upsert_rows(*((household, START, 0.0) for household in range(4)))
    rows = keys.select(
        "household_id",
        pl.lit(START if online is Online.UPSERT else end(0), pl.Datetime("us", "UTC")).alias(
            "event_timestamp"
        ),
        pl.Series("vector", [[1.0], [], None, [2.0, None]], pl.List(pl.Float32)),
    )

    with pytest.raises(ColumnMismatchError, match="'vector' has a null inside a list; drop or"):
        commit(table, 0, rows)

    assert commit(table, 0, rows.head(3)).rows == 3
