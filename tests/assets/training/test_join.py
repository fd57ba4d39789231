from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.training.bucket_join import Reading
from headrace.assets.training.feature_columns import references, resolve
from headrace.assets.training.join import joined
from headrace.contract.feature_group import DType, EntitySpec, FeatureGroupSpec, JoinKey, Online
from headrace.contract.partitions import HOURLY
from headrace.resources.offline.entity_buckets import entity_buckets
from headrace.resources.offline.history import history_of
from headrace.resources.offline.history_refresh import refresh_history
from headrace.resources.offline.monthly_rows import MonthlyRows
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import Computation, OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    DAY,
    LAST_BASKET,
    SPEND,
    START,
    commit,
    day,
    end,
    upsert_rows,
)

BUCKETS = 4
HOUSEHOLDS = range(20)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


def filled(
    store: OfflineStore, group: FeatureGroupSpec, numbers: Iterable[int], buckets: int = BUCKETS
) -> OfflineTable:
    """A table whose amounts are the numbers of their partitions."""
    table = store.table(feature_table(group, buckets=buckets))
    for number in numbers:
        at = end(number) if group.online is Online.SNAPSHOT else end(number) - DAY
        rows = upsert_rows(*((household, at, float(number)) for household in HOUSEHOLDS))
        commit(table, number, rows)
    return table


def spine(*rows: tuple[int, int]) -> pl.DataFrame:
    """Households, each at the end of a partition."""
    schema = {"household_id": pl.Int64(), "event_timestamp": pl.Datetime("us", "UTC")}
    return pl.DataFrame([(key, end(number)) for key, number in rows], schema, orient="row")


def read(
    store: OfflineStore, asked: pl.DataFrame, *features: str
) -> tuple[pl.DataFrame, list[Reading]]:
    groups, _ = resolve(references(features), store, None)
    readings: list[Reading] = []
    return joined(asked, groups, on_reading=readings.append), readings


def bucket_of(household: int) -> int:
    keys = pl.DataFrame({"household_id": [household]})
    return int(entity_buckets(keys, ["household_id"], BUCKETS)[0])


def remove_all_but(root: str, kept: Iterable[str]) -> int:
    """Remove the other data files below a folder; how many there were in all."""
    files = [str(file) for file in Path(root).rglob("*.parquet") if "_delta_log" not in str(file)]
    for file in set(files) - set(kept):
        Path(file).unlink()
    return len(files)


@pytest.mark.parametrize("group", [SPEND, LAST_BASKET], ids=lambda group: group.name)
def test_only_buckets_and_partitions_that_can_answer_are_opened(
    store: OfflineStore, group: FeatureGroupSpec
) -> None:
    table = filled(store, replace(group, ttl=DAY), range(6))
    asked = spine((7, 2), (7, 4))
    wanted = table.snapshot().files([day(2), day(4)], [bucket_of(7)])
    present = remove_all_but(store.root, wanted)

    frame, readings = read(store, asked, f"{group.name}:amount")

    assert frame[f"{group.name}__amount"].to_list() == [2.0, 4.0]
    assert readings == [
        Reading(f"{group.name}@1", files_opened=2, files=present, history_covers=None)
    ]


@pytest.mark.parametrize("group", [SPEND, LAST_BASKET], ids=lambda group: group.name)
def test_of_a_history_only_months_and_buckets_that_can_answer_are_opened(
    store: OfflineStore, group: FeatureGroupSpec
) -> None:
    table = filled(store, replace(group, ttl=DAY), [0, 1, 40, 41, 70])
    refresh_history(table)
    history = history_of(table.snapshot())
    assert history is not None
    filled(store, replace(group, ttl=DAY), [41, 42])
    asked = spine((7, 40), (7, 41), (7, 42))
    wanted = [
        history.cells["2018-02", bucket_of(7)],
        *table.snapshot().files([day(41), day(42)], [bucket_of(7)]),
    ]
    remove_all_but(store.root, wanted)

    frame, (reading,) = read(store, asked, f"{group.name}:amount")

    assert frame[f"{group.name}__amount"].to_list() == [40.0, 41.0, 42.0]
    assert (reading.files_opened, reading.files) == (3, (3 + 2) * BUCKETS)
    assert reading.history_covers == history.covers


def test_older_months_are_left_closed_once_every_row_is_answered(store: OfflineStore) -> None:
    """Without a TTL anything may hold the answer; but the newest row decides."""
    table = filled(store, replace(LAST_BASKET, ttl=None), [0, 31, 59, 90, 120])
    refresh_history(table)

    frame, (reading,) = read(store, spine((7, 125)), "last_basket:amount")

    assert frame["last_basket__amount"].to_list() == [120.0]
    assert (reading.files_opened, reading.files) == (1, 5 * BUCKETS)


def test_months_fetched_ahead_from_afar_answer_the_same_and_no_more_than_one_is_needless(
    store: OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = filled(store, replace(LAST_BASKET, ttl=None), [0, 31, 59, 90, 120])
    refresh_history(table)
    recent, mixed = spine((7, 125)), spine((7, 125), (8, 40), (9, 70), (99, 125), (3, 1))
    near, _ = read(store, mixed, "last_basket:amount")

    monkeypatch.setattr(MonthlyRows, "is_local", False)
    far, _ = read(store, mixed, "last_basket:amount")
    _, (reading,) = read(store, recent, "last_basket:amount")

    assert far.equals(near)
    assert far["last_basket__amount"].to_list() == [120.0, 31.0, 59.0, None, 0.0]
    assert reading.files_opened <= 2


def test_groups_of_several_entities_and_buckets_are_joined_to_one_spine(
    store: OfflineStore,
) -> None:
    product = EntitySpec("product", (JoinKey("product", DType.STRING),))
    both = EntitySpec("both", (*SPEND.entity.join_keys, *product.join_keys))
    filled(store, SPEND, range(3), buckets=1)
    filled(store, LAST_BASKET, range(3), buckets=16)
    for group in (
        replace(SPEND, name="popularity", entity=product),
        replace(LAST_BASKET, name="affinity", entity=both),
    ):
        table = store.table(feature_table(group, buckets=3))
        at = end(0) if group.online is Online.SNAPSHOT else START
        rows = pl.DataFrame(
            {
                "household_id": [1, 1, 2],
                "product": ["milk", "tea", "rye"],
                "event_timestamp": pl.Series([at] * 3, dtype=pl.Datetime("us", "UTC")),
                "amount": [0.1, 0.2, 0.3],
                "store": ["x", None, "z"],
            }
        )
        commit(table, 0, rows.select(table.spec.schema.names()))
        refresh_history(table)
    asked = spine((2, 0), (1, 0), (1, 2), (9, 1)).with_columns(
        product=pl.Series(["rye", "rye", "tea", None])
    )

    frame, readings = read(store, asked, "spend:amount", "affinity", "popularity", "last_basket")

    assert frame.select(pl.col("^.*__amount$")).rows() == [
        (0.0, 0.3, 0.3, 0.0),
        (0.0, None, 0.3, 0.0),
        (2.0, 0.2, 0.2, 2.0),
        (1.0, None, None, 1.0),
    ]
    assert frame["affinity__store"].to_list() == ["z", None, None, None]
    assert frame["popularity__store"].to_list() == ["z", "z", None, None]
    assert [reading.group for reading in readings] == [
        "spend@1",
        "affinity@1",
        "popularity@1",
        "last_basket@1",
    ]


def test_a_group_that_has_nothing_yet_is_null(store: OfflineStore) -> None:
    """Its document may be known before the first commit, and known-at may precede it."""
    first = filled(store, SPEND, [0]).snapshot().commits[day(0)]
    groups, _ = resolve(references("spend"), store, first.committed_at - timedelta(days=1))
    readings: list[Reading] = []

    frame = joined(spine((1, 0)), groups, on_reading=readings.append)

    assert frame.row(0)[2:] == (None, None)
    assert readings == [Reading("spend@1", files_opened=0, files=0, history_covers=None)]


def test_values_of_every_type_come_back_as_they_are(store: OfflineStore) -> None:
    features = tuple(
        replace(SPEND.features[0], name=dtype.name.lower(), dtype=dtype, nullable=True)
        for dtype in DType
    )
    group = replace(LAST_BASKET, name="wide", features=features)
    table = store.table(feature_table(group, buckets=2))
    values: dict[str, list[object]] = {
        "bool": [True, None],
        "int32": [-1, None],
        "int64": [2**62, None],
        "float32": [0.5, None],
        "float64": [float("inf"), None],
        "string": ["a word that is longer than a view holds inline", None],
        "bytes": [b"\x00", None],
        "date": [START.date(), None],
        "timestamp": [START, None],
        "float32_list": [[0.5], None],
        "float64_list": [[], None],
        "int64_list": [[1, 2], None],
    }
    rows = pl.DataFrame({"household_id": [1, 2], "event_timestamp": [START, START], **values})
    commit(table, 0, rows.cast(table.spec.schema))
    refresh_history(table)

    frame, _ = read(store, spine((2, 0), (1, 0), (3, 0)), "wide")

    found = frame.select(pl.col("^wide__.*$"))
    assert found.row(1) == tuple(column[0] for column in values.values())
    assert found.row(0) == found.row(2) == (None,) * len(values)
    assert found.dtypes == table.spec.schema.dtypes()[2:]


def test_corrected_and_retracted_hours_are_as_the_table_says_and_the_others_from_the_history(
    store: OfflineStore,
) -> None:
    table = store.table(feature_table(replace(LAST_BASKET, partitions="HOURLY", ttl=None)))

    def computed(hour: int, *amounts: float) -> Computation:
        at = START + hour * timedelta(hours=1)
        rows = upsert_rows(*((hour, at, amount) for amount in amounts))
        return Computation(HOURLY.key(at), rows, str(amounts), {})

    def commit_hours(*computations: Computation) -> None:
        table.commit_all(computations, run_id="run", code_version="code")

    commit_hours(*(computed(hour, 1.0) for hour in range(3)))
    refresh_history(table)
    commit_hours(computed(1), computed(2, 2.0))

    asked = spine((0, 0), (1, 0), (2, 0))
    frame, (reading,) = read(store, asked, "last_basket:amount")

    assert frame["last_basket__amount"].to_list() == [1.0, None, 2.0]
    assert (reading.files_opened, reading.files) == (2, 2)
