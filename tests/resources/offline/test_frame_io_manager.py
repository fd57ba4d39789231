from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from headrace.contract.errors import InvalidArgumentError, RowsOutsidePartitionError
from headrace.resources.offline.frame_io_manager import FrameIOManager
from headrace.resources.offline.offline_store import OfflineStore, TableKind
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    LAST_BASKET,
    SPEND,
    commit,
    day,
    end,
    snapshot_rows,
)

DAYS = dg.DailyPartitionsDefinition("2018-01-01", end_date="2018-02-01")
WEEKS = dg.WeeklyPartitionsDefinition("2017-12-31", end_date="2018-02-04")
SHOPS = dg.StaticPartitionsDefinition(["north", "o'south"])
TRAILING_3 = dg.TimeWindowPartitionMapping(
    start_offset=-2, allow_nonexistent_upstream_partitions=True
)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


def materialize(
    store: OfflineStore,
    *assets: dg.AssetsDefinition | dg.AssetSpec,
    partition: str | None = None,
    last: str | None = None,
) -> dg.ExecuteInProcessResult:
    """Run the assets on a partition, or on a range of them in one run."""
    several = {"dagster/asset_partition_range_start": partition or ""}
    return dg.materialize(
        [*assets],
        selection=[each for each in assets if isinstance(each, dg.AssetsDefinition)],
        resources={"io_manager": FrameIOManager.of(store)},
        instance=dg.DagsterInstance.ephemeral(),
        partition_key=partition if last is None else None,
        tags={**several, "dagster/asset_partition_range_end": last} if last else None,
    )


def rows_of(store: OfflineStore, name: str, *keys: str) -> list[tuple[object, ...]]:
    table = OfflineStore(store.root).stored_table(TableKind.PLAIN, name)
    assert table is not None
    return table.snapshot().scan(keys or None).collect().rows()


def by_day(**metadata: str) -> dg.AssetsDefinition:
    """An asset with a row for each of its run's days."""

    @dg.asset(
        partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), metadata=metadata
    )
    def visits(context: dg.AssetExecutionContext) -> pl.DataFrame:
        windows = [DAYS.time_window_for_partition_key(key) for key in context.partition_keys]
        return pl.DataFrame(
            {"at": [window.start for window in windows], "visits": range(len(windows))},
            schema={"at": pl.Datetime("us", "UTC"), "visits": pl.Int64},
        )

    return visits


def test_a_window_of_a_feature_group_is_loaded_as_a_whole(store: OfflineStore) -> None:
    table = store.table(feature_table(SPEND))
    for number in range(5):
        commit(table, number, snapshot_rows(number, {number: float(number)}))
    seen: list[list[int]] = []

    @dg.asset(
        partitions_def=DAYS,
        ins={"spend": dg.AssetIn(["offline", "spend"], partition_mapping=TRAILING_3)},
    )
    def report(spend: pl.LazyFrame) -> None:
        seen.append(spend.collect()["household_id"].to_list())

    upstream = dg.AssetSpec(["offline", "spend"], partitions_def=DAYS)
    materialize(store, upstream, report, partition=day(3))
    materialize(store, upstream, report, partition=day(0))

    assert seen == [[1, 2, 3], [0]]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(pl.LazyFrame, pl.LazyFrame), (pl.DataFrame, pl.DataFrame), (Any, pl.LazyFrame)],
)
def test_a_frame_comes_as_the_parameter_says(
    store: OfflineStore, annotation: object, expected: type
) -> None:
    commit(store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))
    seen: list[object] = []

    def report(spend: object) -> None:
        seen.append(spend)

    report.__annotations__["spend"] = annotation
    asset = dg.asset(
        report,
        ins={"spend": dg.AssetIn(["offline", "spend"], metadata={"columns": ["household_id"]})},
        partitions_def=DAYS,
    )
    upstream = dg.AssetSpec(["offline", "spend"], partitions_def=DAYS)

    materialize(store, upstream, asset, partition=day(0))

    (frame,) = seen
    assert isinstance(frame, expected)
    assert isinstance(frame, pl.LazyFrame | pl.DataFrame)
    assert frame.lazy().collect().rows() == [(1,)]


def test_a_later_version_of_a_group_is_its_own_table(store: OfflineStore) -> None:
    second = feature_table(replace(SPEND, version=2))
    commit(store.table(feature_table(SPEND)), 0, snapshot_rows(0, {1: 1.0}))
    commit(store.table(second), 0, snapshot_rows(0, {2: 1.0}))
    seen: list[list[int]] = []

    @dg.asset(
        ins={
            "first": dg.AssetIn(["offline", "spend"]),
            "second": dg.AssetIn(["offline", "spend_v2"]),
        },
    )
    def report(first: pl.DataFrame, second: pl.DataFrame) -> None:
        seen.extend(frame["household_id"].to_list() for frame in (first, second))

    materialize(
        store,
        dg.AssetSpec(["offline", "spend"]),
        dg.AssetSpec(["offline", "spend_v2"]),
        report,
    )

    assert seen == [[1], [2]]


def test_a_run_replaces_its_own_partition_and_no_other(store: OfflineStore) -> None:
    for key in (day(0), day(1), day(0)):
        materialize(store, by_day(), partition=key)

    assert [row[0] for row in rows_of(store, "visits")] == [end(0) - (end(1) - end(0)), end(0)]
    assert len(rows_of(store, "visits", day(0))) == 1


def test_a_run_of_many_days_is_cut_into_its_days(store: OfflineStore) -> None:
    result = materialize(store, by_day(partition_expr="at"), partition=day(0), last=day(4))

    assert result.success
    assert [len(rows_of(store, "visits", day(number))) for number in range(6)] == [1] * 5 + [0]
    assert rows_of(store, "visits", day(2)) == [(end(1), 2)]


def test_a_run_of_many_days_that_cannot_be_told_apart_is_refused(store: OfflineStore) -> None:
    with pytest.raises(InvalidArgumentError, match="tells them apart: metadata="):
        materialize(store, by_day(), partition=day(0), last=day(4))


def test_rows_outside_the_runs_partitions_are_refused(store: OfflineStore) -> None:
    @dg.asset(partitions_def=DAYS, metadata={"partition_expr": "at"})
    def visits() -> pl.DataFrame:
        return pl.DataFrame({"at": [end(0)]}, schema={"at": pl.Datetime("us", "UTC")})

    with pytest.raises(RowsOutsidePartitionError, match="1 rows lie outside"):
        materialize(store, visits, partition=day(0))
    assert store.stored_table(TableKind.PLAIN, "visits") is None


@pytest.mark.parametrize(
    ("definition", "key", "value"),
    [
        (SHOPS, "o'south", "o'south"),
        (WEEKS, "2018-01-07", datetime(2018, 1, 10).date()),  # noqa: DTZ001
        (dg.HourlyPartitionsDefinition("2018-01-01-00:00"), "2018-01-01-05:00", None),
        (
            dg.MultiPartitionsDefinition({"day": DAYS, "shop": SHOPS}),
            dg.MultiPartitionKey({"day": day(0), "shop": "north"}),
            None,
        ),
    ],
)
def test_partitions_of_any_kind_are_kept_apart(
    store: OfflineStore, definition: dg.PartitionsDefinition, key: str, value: object
) -> None:
    metadata = {} if value is None else {"partition_expr": "of"}

    @dg.asset(partitions_def=definition, metadata=metadata, key=["team", "report"])
    def report() -> pl.DataFrame:
        return pl.DataFrame({"of": [value or "x"]})

    @dg.asset(partitions_def=definition, ins={"report": dg.AssetIn(["team", "report"])})
    def copy(report: pl.DataFrame) -> pl.DataFrame:
        return report

    assert materialize(store, report, copy, partition=key).success

    assert rows_of(store, "team/report", str(key)) == rows_of(store, "copy") == [(value or "x",)]
    assert rows_of(store, "team/report", "another") == []


def test_an_asset_without_partitions_is_replaced_as_a_whole(store: OfflineStore) -> None:
    numbers = iter([1, 2])

    @dg.asset
    def total() -> pl.LazyFrame:
        return pl.LazyFrame({"total": [next(numbers)]})

    materialize(store, total)
    materialize(store, total)

    assert rows_of(store, "total") == [(2,)]


def test_a_run_says_what_it_wrote(store: OfflineStore) -> None:
    result = materialize(store, by_day(partition_expr="at"), partition=day(0))

    (event,) = result.asset_materializations_for_node("visits")
    assert event.metadata["dagster/partition_row_count"].value == 1
    assert event.metadata["table_version"].value == 1
    assert event.metadata["dagster/uri"].value == f"{store.root}/assets/visits"


@pytest.mark.parametrize("folder", ["sources", "dimensions", "offline"])
def test_what_is_declared_cannot_be_written_past_its_checks(
    store: OfflineStore, folder: str
) -> None:
    @dg.asset(key=[folder, "spend"])
    def spend() -> pl.DataFrame:
        return pl.DataFrame({"household_id": [1]})

    with pytest.raises(InvalidArgumentError, match="declare it"):
        materialize(store, spend)


def test_an_input_that_was_never_committed_is_named(store: OfflineStore) -> None:
    @dg.asset(ins={"baskets": dg.AssetIn(["offline", LAST_BASKET.name])})
    def report(baskets: pl.DataFrame) -> None:
        """Never reached."""

    with pytest.raises(InvalidArgumentError, match="materialize the upstream asset first"):
        materialize(store, dg.AssetSpec(["offline", LAST_BASKET.name]), report)
