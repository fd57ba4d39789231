"""What may change in a declared group whose table is there, and what needs a new version."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.assets.point_in_time import training_frame
from headrace.contract.errors import (
    ColumnMismatchError,
    RowsOutsidePartitionError,
    SchemaChangeError,
)
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.partitions import DAILY, HOURLY
from headrace.resources.offline.dtypes import polars_dtype
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import TableKind, TableSpec, feature_table
from headrace.tests.resources.offline.tables import (
    HOUSEHOLD,
    LAST_BASKET,
    MICROSECOND,
    SPEND,
    START,
    commit,
    day,
    end,
    snapshot_rows,
    upsert_rows,
)

AMOUNT, STORE = SPEND.features
VISITS = FeatureSpec("visits", DType.INT64, nullable=True)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


def refusal(store: OfflineStore, before: FeatureGroupSpec, after: FeatureGroupSpec) -> str:
    """Why a group cannot be followed by another of the same name and version."""
    commit(store.table(feature_table(before)), 0, pl.DataFrame(schema=feature_table(before).schema))
    spec = feature_table(after)
    key = day(0) if after.partitions == "DAILY" else HOURLY.key(START)
    with pytest.raises(SchemaChangeError) as refused:
        store.table(spec).commit(
            key,
            pl.DataFrame(schema=spec.schema),
            identity="i",
            run_id="r",
            code_version="c",
            verdicts={},
        )
    stored = DeltaTable(store.table(spec).uri)
    assert pl.Schema(stored.schema()) == feature_table(before).stored_schema
    return str(refused.value)


def test_a_nullable_feature_may_be_added_and_is_null_before(store: OfflineStore) -> None:
    commit(store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))
    wider = replace(SPEND, features=(VISITS, *SPEND.features))
    table = store.table(feature_table(wider))
    added = snapshot_rows(1, {1: 2.0}).with_columns(visits=pl.lit(7, pl.Int64))

    commit(table, 1, added)

    assert table.snapshot().scan().collect()["visits"].to_list() == [None, 7]
    assert table.snapshot(version=1).scan().collect()["visits"].to_list() == [None]
    spine = pl.DataFrame(
        {"household_id": [1, 1], "event_timestamp": [end(0), end(1)]},
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )
    frame, _ = training_frame(spine, ["spend:visits", "spend:amount"], OfflineStore(store.root))
    assert frame["spend__visits"].to_list() == [None, 7]
    assert frame["spend__amount"].to_list() == [1.0, 2.0]


def test_who_declares_the_group_as_it_was_reads_and_is_told_that_a_column_is_gone(
    store: OfflineStore,
) -> None:
    """A process with yesterday's code must not take the new feature away."""
    before = store.table(feature_table(SPEND))
    commit(before, 0, snapshot_rows(0, {1: 1.0}))
    wider = replace(SPEND, features=(*SPEND.features, VISITS))
    added = snapshot_rows(1, {1: 2.0}).with_columns(visits=pl.lit(7, pl.Int64))
    commit(store.table(feature_table(wider)), 1, added)

    assert before.snapshot().scan().collect().columns == list(feature_table(SPEND).schema)
    with pytest.raises(SchemaChangeError, match="column 'visits' is gone"):
        commit(before, 2, snapshot_rows(2, {1: 3.0}))


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ((AMOUNT,), "column 'store' is gone."),
        (
            (replace(AMOUNT, name="total"), STORE),
            (
                "column 'amount' is gone and 'total' is new with the same type, which looks like a"
                " rename (keep 'amount', or add 'total' beside it as nullable)"
            ),
        ),
        (
            (replace(AMOUNT, dtype=DType.FLOAT32), STORE),
            "column 'amount' changes from Float64 to Float32, which is narrower",
        ),
        (
            (replace(AMOUNT, dtype=DType.STRING), STORE),
            "column 'amount' changes from Float64 to String.",
        ),
        ((*SPEND.features, replace(VISITS, nullable=False)), "'visits' is new but not nullable"),
        (
            (AMOUNT, replace(STORE, nullable=False)),
            "column 'store' may no longer be null, but stored rows may hold nulls",
        ),
    ],
)
def test_a_feature_that_changes_asks_for_a_new_version(
    store: OfflineStore, features: tuple[FeatureSpec, ...], said: str
) -> None:
    message = refusal(store, SPEND, replace(SPEND, features=features))

    assert said in message
    assert message.startswith("features/spend/v1: ")
    assert message.endswith(
        "declare the group with the next version instead, beside this one (version=2), backfill"
        " it, and promote it when it is complete"
    )


@pytest.mark.parametrize(
    ("dtype", "narrower"),
    [
        (DType.INT64, DType.INT32),
        (DType.FLOAT64, DType.FLOAT32),
        (DType.FLOAT64_LIST, DType.FLOAT32_LIST),
        (DType.TIMESTAMP, DType.DATE),
    ],
)
def test_narrowing_is_named(store: OfflineStore, dtype: DType, narrower: DType) -> None:
    before = replace(SPEND, features=(replace(AMOUNT, dtype=dtype),))
    after = replace(SPEND, features=(replace(AMOUNT, dtype=narrower),))

    assert "which is narrower: values would be cut" in refusal(store, before, after)


def test_widening_asks_for_a_new_version_too(store: OfflineStore) -> None:
    before = replace(SPEND, features=(replace(AMOUNT, dtype=DType.INT32),))
    after = replace(SPEND, features=(replace(AMOUNT, dtype=DType.INT64),))

    assert "changes from Int32 to Int64." in refusal(store, before, after)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            EntitySpec("household", (JoinKey("household_id", DType.STRING),)),
            (
                "the entity changes from household(household_id: INT64) to household(household_id:"
                " STRING)"
            ),
        ),
        (
            EntitySpec("household", (*HOUSEHOLD.join_keys, JoinKey("shop", DType.INT64))),
            "column 'shop' is new but not nullable",
        ),
        (
            EntitySpec("family", HOUSEHOLD.join_keys),
            "the entity changes from household(household_id: INT64) to family(household_id: INT64)",
        ),
    ],
)
def test_another_entity_asks_for_a_new_version(
    store: OfflineStore, after: EntitySpec, said: str
) -> None:
    assert said in refusal(store, SPEND, replace(SPEND, entity=after))


def test_join_keys_in_another_order_are_another_entity(store: OfflineStore) -> None:
    keys = (*HOUSEHOLD.join_keys, JoinKey("shop", DType.INT64))
    before = replace(SPEND, entity=EntitySpec("visit", keys))
    after = replace(SPEND, entity=EntitySpec("visit", keys[::-1]))

    assert "to visit(shop: INT64, household_id: INT64)" in refusal(store, before, after)


def test_other_partitions_ask_for_a_new_version(store: OfflineStore) -> None:
    message = refusal(store, SPEND, replace(SPEND, partitions="HOURLY"))

    assert "partitions change from event_date to event_hour." in message
    assert "column 'event_" not in message


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (Online.SNAPSHOT, Online.UPSERT, "from snapshot to upsert"),
        (Online.UPSERT, Online.SNAPSHOT, "from upsert to snapshot"),
        (Online.UPSERT, None, "from upsert to none"),
        (None, Online.UPSERT, "from none to upsert"),
    ],
)
def test_other_online_semantics_ask_for_a_new_version(
    store: OfflineStore, before: Online | None, after: Online | None, said: str
) -> None:
    message = refusal(store, replace(SPEND, online=before), replace(SPEND, online=after))

    assert f"online semantics change {said}" in message


@pytest.mark.parametrize(
    "after",
    [
        replace(SPEND, online=None),
        replace(SPEND, ttl=timedelta(days=9), owners=("team:other",)),
        replace(SPEND, features=(replace(AMOUNT, nullable=True), STORE)),
        replace(SPEND, features=SPEND.features[::-1]),
        replace(SPEND, features=(replace(AMOUNT, description="What was spent."), STORE)),
    ],
)
def test_what_means_the_same_for_stored_rows_may_change(
    store: OfflineStore, after: FeatureGroupSpec
) -> None:
    commit(store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))
    table = store.table(feature_table(after))

    commit(table, 1, snapshot_rows(1, {1: 2.0}))

    assert table.snapshot().scan().collect()["amount"].to_list() == [1.0, 2.0]


def test_the_number_of_buckets_is_fixed(store: OfflineStore) -> None:
    commit(store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))

    with pytest.raises(SchemaChangeError, match="entity buckets change from 1 to 2"):
        commit(store.table(feature_table(SPEND, buckets=2)), 1, snapshot_rows(1, {1: 1.0}))


def test_a_source_that_changes_needs_another_name(store: OfflineStore) -> None:
    columns = (("at", pl.Datetime("us", "UTC")), ("amount", pl.Float64()))
    spec = TableSpec(TableKind.SOURCE, "orders", 1, columns, DAILY, "at", False, ())  # noqa: FBT003
    commit(store.table(spec), 0, pl.DataFrame(schema=spec.schema))
    changed = replace(spec, columns=(columns[0], ("amount", pl.Int64())))

    with pytest.raises(SchemaChangeError) as refused:
        commit(store.table(changed), 1, pl.DataFrame(schema=changed.schema))

    assert str(refused.value) == (
        "sources/orders: column 'amount' changes from Float64 to Int64. Only adding a nullable"
        " column works in place; declare it under another name instead"
    )


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        (DType.INT64, pl.Series([1.5])),
        (DType.INT64, pl.Series([1.0])),
        (DType.INT32, pl.Series([2**40])),
        (DType.INT32, pl.Series([1], dtype=pl.Int64)),
        (DType.INT64, pl.Series([1], dtype=pl.Int32)),
        (DType.INT64, pl.Series([2**63], dtype=pl.UInt64)),
        (DType.INT64, pl.Series([1], dtype=pl.UInt8)),
        (DType.FLOAT32, pl.Series([0.1])),
        (DType.FLOAT64, pl.Series([1])),
        (DType.BOOL, pl.Series([1])),
        (DType.STRING, pl.Series(["a"], dtype=pl.Categorical)),
        (DType.STRING, pl.Series(["a"], dtype=pl.Enum(["a"]))),
        (DType.TIMESTAMP, pl.Series([datetime(2018, 1, 1)])),  # noqa: DTZ001 - a naive one
        (DType.TIMESTAMP, pl.Series([START]).cast(pl.Datetime("ns", "UTC"))),
        (DType.TIMESTAMP, pl.Series([START]).cast(pl.Datetime("ms", "UTC"))),
        (DType.TIMESTAMP, pl.Series([START]).dt.convert_time_zone("Europe/Berlin")),
        (DType.TIMESTAMP, pl.Series([date(2018, 1, 1)])),
        (DType.DATE, pl.Series([START])),
        (DType.FLOAT32_LIST, pl.Series([[0.1]])),
        (DType.INT64_LIST, pl.Series([[1]], dtype=pl.List(pl.UInt32))),
        (DType.STRING, pl.Series([None], dtype=pl.Null)),
    ],
    ids=lambda each: str(each.dtype) if isinstance(each, pl.Series) else each.name,
)
def test_a_value_of_another_type_is_never_cast(
    store: OfflineStore, declared: DType, values: pl.Series
) -> None:
    """delta-rs would: 1.5 becomes 1 in a column of integers."""
    group = replace(SPEND, features=(FeatureSpec("amount", declared, nullable=True),))
    table = store.table(feature_table(group))
    rows = snapshot_rows(0, {1: 0.0}).drop("store", "amount").with_columns(amount=values)

    with pytest.raises(ColumnMismatchError, match=r"'amount' is .*, expected "):
        commit(table, 0, rows)

    assert not table.exists()


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (DType.BOOL, [True, False, None]),
        (DType.INT32, [2**31 - 1, -(2**31), None]),
        (DType.INT64, [2**63 - 1, -(2**63), 2**53 + 1]),
        (DType.FLOAT32, [0.10000000149011612, float("inf"), None]),
        (DType.FLOAT64, [0.1, 5e-324, -1.7976931348623157e308]),
        (DType.STRING, ["", "–3 €", None]),
        (DType.BYTES, [b"", b"\x00\xff", None]),
        (DType.DATE, [date(1, 1, 1), date(9999, 12, 31), None]),
        (DType.TIMESTAMP, [START + MICROSECOND, datetime(1677, 1, 1, tzinfo=UTC), None]),
        (DType.FLOAT32_LIST, [[], [0.5, -0.0], None]),
        (DType.FLOAT64_LIST, [[0.1], [float("-inf")], None]),
        (DType.INT64_LIST, [[2**63 - 1], [], None]),
    ],
    ids=lambda each: each.name if isinstance(each, DType) else "",
)
def test_a_value_of_the_declared_type_is_kept_to_the_last_bit(
    store: OfflineStore, dtype: DType, values: list[object]
) -> None:
    group = replace(SPEND, features=(FeatureSpec("amount", dtype, nullable=True),))
    table = store.table(feature_table(group))
    rows = snapshot_rows(0, {1: 0.0, 2: 0.0, 3: 0.0}).drop("store", "amount")
    rows = rows.with_columns(amount=pl.Series(values, dtype=polars_dtype(dtype)))

    commit(table, 0, rows)

    assert table.snapshot().scan().collect().equals(rows)


@pytest.mark.parametrize("value", [float("nan"), -0.0])
def test_not_a_number_and_the_sign_of_zero_are_kept(store: OfflineStore, value: float) -> None:
    table = store.table(feature_table(SPEND))

    commit(table, 0, snapshot_rows(0, {1: value}))

    found = table.snapshot().scan().collect()["amount"][0]
    assert (repr(found), found is None) == (repr(value), False)


def test_an_event_timestamp_lies_in_one_partition_so_that_no_two_can_share_it(
    store: OfflineStore,
) -> None:
    """Why uniqueness inside each partition is uniqueness in the table."""
    table = store.table(feature_table(LAST_BASKET))
    commit(table, 0, upsert_rows((1, end(0) - MICROSECOND, 1.0)))
    commit(table, 1, upsert_rows((1, end(0), 2.0)))

    with pytest.raises(RowsOutsidePartitionError):
        commit(table, 1, upsert_rows((1, end(0) - MICROSECOND, 3.0)))
    with pytest.raises(RowsOutsidePartitionError):
        commit(table, 0, upsert_rows((1, end(0), 3.0)))
    keyed = table.snapshot().scan().select("household_id", "event_timestamp").collect()
    assert keyed.is_unique().all()
