from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.contract.feature_group import DType, FeatureSpec
from headrace.contract.partitions import DAILY
from headrace.resources.offline import delta_writes
from headrace.resources.offline.maintenance.compaction import Compaction, compact
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import TableKind, TableSpec, feature_table
from headrace.tests.resources.offline.maintenance.scattering import scatter
from headrace.tests.resources.offline.tables import (
    DAY,
    LAST_BASKET,
    MICROSECOND,
    SPEND,
    START,
    commit,
    day,
    snapshot_rows,
    upsert_rows,
)

AMOUNTS = {household: float(household) for household in range(40)}


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path / "a store"))


@pytest.fixture
def spend(store: OfflineStore) -> OfflineTable:
    """Two days; the first is scattered over several files in each of its two buckets."""
    table = store.table(feature_table(SPEND, buckets=2))
    commit(table, 0, snapshot_rows(0, AMOUNTS))
    commit(table, 1, snapshot_rows(1, AMOUNTS))
    scatter(table, day(0), pieces=3)
    return table


def files(table: OfflineTable, *partitions: str) -> list[str]:
    return table.snapshot().files(partitions or None)


def test_many_small_files_become_one_for_each_bucket_sorted_as_a_commit_sorts(
    spend: OfflineTable, store: OfflineStore
) -> None:
    committed_anew = store.table(replace(spend.spec, name="anew"))
    commit(committed_anew, 0, snapshot_rows(0, AMOUNTS))

    done = compact(spend)

    assert (done.slices, done.files_before, done.files_after) == (2, 8, 4)
    assert [Path(file).parent.name for file in files(spend, day(0))] == [
        "entity_bucket=0",
        "entity_bucket=1",
    ]
    assert (
        spend.snapshot()
        .scan([day(0)])
        .collect()
        .equals(committed_anew.snapshot().scan([day(0)]).collect())
    )


def test_compaction_computes_nothing(spend: OfflineTable) -> None:
    before = spend.snapshot()
    instants = [each.committed_at for each in spend.log.commits]
    known = [
        spend.snapshot(known_at=at).scan().collect().sort("event_timestamp", "household_id")
        for at in instants
    ]

    compact(spend)

    after = OfflineStore(spend.uri.removesuffix(f"/{spend.spec.path}")).table(spend.spec)
    assert after.snapshot().commits == before.commits
    assert DeltaTable(spend.uri).transaction_version(f"headrace/{day(0)}") == 1
    for at, rows in zip(instants, known, strict=True):
        found = after.snapshot(known_at=at).scan().collect()
        assert found.sort("event_timestamp", "household_id").equals(rows)
    assert after.snapshot(known_at=instants[0] - MICROSECOND).version == -1


def test_a_second_compaction_finds_nothing_to_do(spend: OfflineTable) -> None:
    compact(spend)
    version = spend.snapshot().version

    again = compact(spend)

    assert (again.slices, again.files_before, again.files_after) == (0, 4, 4)
    assert spend.snapshot().version == version


def test_what_our_own_commits_wrote_is_left_alone(spend: OfflineTable) -> None:
    untouched = files(spend, day(1))

    compact(spend)

    assert files(spend, day(1)) == untouched


def test_files_of_the_wanted_size_are_left_alone(store: OfflineStore) -> None:
    """One sorted file set: cut at a size as small as a row group allows, then grown by a crumb."""
    table = store.table(feature_table(SPEND))
    rows = 400_000
    frame = pl.DataFrame(
        {"household_id": range(rows), "amount": pl.Series(range(rows)).hash().cast(pl.Float64)}
    ).select(
        "household_id",
        pl.lit(snapshot_rows(0, {1: 1.0})["event_timestamp"][0]).alias("event_timestamp"),
        "amount",
        pl.lit(None, pl.String).alias("store"),
    )
    commit(table, 0, frame.cast(table.spec.schema))
    scatter(table, day(0), pieces=8)
    target = sum(Path(file).stat().st_size for file in files(table)) // 3

    first = compact(table, target_bytes=target)
    second = compact(table, target_bytes=target)

    assert first.slices == 1
    assert 2 <= first.files_after <= 4
    assert second.slices == 0
    assert table.snapshot().scan().collect()["household_id"].is_sorted()


def test_a_dry_run_says_what_it_would_do_and_does_nothing(spend: OfflineTable) -> None:
    version = spend.snapshot().version

    planned = compact(spend, dry_run=True)

    assert (planned.slices, planned.files_before, planned.files_after) == (2, 8, 8)
    assert spend.snapshot().version == version


def test_rows_of_before_a_feature_was_added_stay_null_there(
    spend: OfflineTable, store: OfflineStore
) -> None:
    wider = replace(
        SPEND, features=(*SPEND.features, FeatureSpec("visits", DType.INT64, nullable=True))
    )
    table = store.table(feature_table(wider, buckets=2))
    later = snapshot_rows(2, AMOUNTS).with_columns(visits=pl.lit(1, pl.Int64))
    commit(table, 2, later)

    # Through the narrower declaration, as an older process would: the column is not lost.
    compact(spend)

    visits = table.snapshot().scan([day(0), day(2)]).collect()["visits"]
    assert visits.to_list() == [None] * 40 + [1] * 40


def test_tables_of_every_kind_are_compacted(store: OfflineStore) -> None:
    columns = (("at", pl.Datetime("us", "UTC")), ("name", pl.String()))
    visits = TableSpec(TableKind.SOURCE, "visits", 1, columns, DAILY, "at", False, ())  # noqa: FBT003
    pages = replace(visits, kind=TableKind.DIMENSION, name="pages", partitioning=None)
    pages = replace(pages, event_timestamp=None)
    rows = pl.DataFrame(
        [(START + number * MICROSECOND, str(number)) for number in range(9)],
        schema=pl.Schema(columns),
        orient="row",
    )
    for spec, key in ((visits, day(0)), (pages, "all")):
        table = store.table(spec)
        table.commit(key, rows, identity="i", run_id="r", code_version="c", verdicts={})
        scatter(table, key, pieces=3)

        done = compact(table)

        assert (done.slices, done.files_before, done.files_after) == (1, 3, 1)
        found = table.snapshot().scan([key]).collect()
        assert found.sort("at").equals(rows)
        assert spec is pages or found.equals(rows)


def test_a_partition_that_is_replaced_meanwhile_stays_as_it_was_committed(
    spend: OfflineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit comes between the compaction's reading and its writing."""
    other = OfflineStore(spend.uri.removesuffix(f"/{spend.spec.path}")).table(spend.spec)
    collect = pl.LazyFrame.collect

    def collected_and_overtaken(frame: pl.LazyFrame) -> pl.DataFrame:
        rows = collect(frame)
        monkeypatch.setattr(pl.LazyFrame, "collect", collect)
        commit(other, 0, snapshot_rows(0, {1: -1.0}), identity="overtaking")
        return rows

    monkeypatch.setattr(pl.LazyFrame, "collect", collected_and_overtaken)

    done = compact(spend)

    assert (done.slices, done.busy) == (0, 2)
    assert spend.snapshot().scan([day(0)]).collect()["amount"].to_list() == [-1.0]


def test_a_commit_that_a_compaction_overtakes_is_made_all_the_same(
    spend: OfflineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = OfflineStore(spend.uri.removesuffix(f"/{spend.spec.path}")).table(spend.spec)
    write, done = delta_writes.write, list[Compaction]()

    def overtaken(*arguments: object) -> None:
        if not done:
            done.append(compact(other))
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(delta_writes, "write", overtaken)

    made = commit(spend, 0, snapshot_rows(0, {1: -1.0}))

    assert done[0].slices == 2
    assert made.generation == 2
    assert spend.snapshot().scan([day(0)]).collect()["amount"].to_list() == [-1.0]


def test_compactions_and_commits_at_once_lose_nothing(store: OfflineStore) -> None:
    spec, days, rounds = feature_table(LAST_BASKET, buckets=2), 3, 3
    committing = [True] * days

    def keep_committing(number: int) -> None:
        table = OfflineStore(store.root).table(spec)
        for turn in range(rounds):
            at = START + number * DAY + turn * MICROSECOND
            rows = upsert_rows(*((household, at, float(turn)) for household in range(20)))
            commit(table, number, rows, identity=f"{number}/{turn}")
            scatter(table, day(number), pieces=3)
        committing[number] = False

    def keep_compacting() -> int:
        table, tried = OfflineStore(store.root).table(spec), 0
        while any(committing):
            if table.exists():
                done = compact(table)
                tried += done.slices + done.busy
        return tried

    with ThreadPoolExecutor(days + 1) as pool:
        running = [pool.submit(keep_committing, number) for number in range(days)]
        compacted = pool.submit(keep_compacting)
        for each in running:
            each.result()

    table = store.table(spec)
    compact(table)
    assert compacted.result() > 0
    assert [each.generation for each in table.snapshot().commits.values()] == [rounds] * days
    assert len(table.snapshot().files()) == 2 * days
    amounts = table.snapshot().scan().collect()["amount"]
    assert amounts.to_list() == [float(rounds - 1)] * 20 * days
