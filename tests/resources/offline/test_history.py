import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import rmtree

import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from headrace.contract.feature_group import DType, FeatureSpec
from headrace.resources.offline.history import History, history_of, history_uri
from headrace.resources.offline.history_refresh import HistoryRefresh, refresh_history
from headrace.resources.offline.monthly_rows import MonthlyRows
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
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

AT_ONCE = timedelta(0)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


@pytest.fixture
def baskets(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(LAST_BASKET, buckets=2))


def fill(table: OfflineTable, *numbers: int, amount: float = 1.0) -> None:
    for number in numbers:
        at = START + number * DAY
        commit(table, number, upsert_rows(*((key, at, amount * key) for key in range(4))))


def found(table: OfflineTable) -> History:
    history = history_of(table.snapshot())
    assert history is not None
    return history


def rows_of(files: Sequence[str]) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(file, hive_partitioning=False) for file in files)


def test_a_history_holds_the_tables_rows_by_month_and_bucket_sorted(
    baskets: OfflineTable,
) -> None:
    fill(baskets, 31, 1, 0)

    refreshed = refresh_history(baskets)

    history = found(baskets)
    cells = [rows_of([uri]) for uri in history.cells.values()]
    assert refreshed == HistoryRefresh(3, ("2018-01", "2018-02"), 12, 0)
    assert history.covers == baskets.snapshot().version
    assert set(history.cells) == {(month, n) for month in ("2018-01", "2018-02") for n in (0, 1)}
    assert all(cell.equals(cell.sort(baskets.spec.order)) for cell in cells)
    assert (
        pl.concat(cells)
        .sort(baskets.spec.order)
        .equals(baskets.snapshot().scan().collect().sort(baskets.spec.order))
    )


def test_a_refresh_rewrites_only_months_with_new_commits_and_repeating_it_writes_nothing(
    baskets: OfflineTable,
) -> None:
    fill(baskets, 0, 31)
    refresh_history(baskets)
    before = found(baskets)
    fill(baskets, 31, amount=2.0)

    second = refresh_history(baskets)
    third = refresh_history(baskets)

    after = found(baskets)
    january = [(month, bucket) for month, bucket in before.cells if month == "2018-01"]
    assert second == HistoryRefresh(3, ("2018-02",), 4, 0)
    assert third == HistoryRefresh(3, (), 0, 0)
    assert [after.cells[cell] for cell in january] == [before.cells[cell] for cell in january]
    assert after.cells["2018-02", 0] != before.cells["2018-02", 0]


def test_a_reader_of_an_earlier_version_gets_a_history_that_knows_nothing_later(
    baskets: OfflineTable,
) -> None:
    fill(baskets, 0)
    nothing = baskets.snapshot(version=-1)
    refresh_history(baskets)
    first = baskets.snapshot()
    fill(baskets, 1)
    between = baskets.snapshot()
    fill(baskets, 2)
    refresh_history(baskets)

    covered = [history_of(each) for each in (nothing, first, between, baskets.snapshot())]

    assert [each.covers if each else None for each in covered] == [None, 1, 1, 3]


def test_files_that_were_replaced_go_when_nobody_can_be_reading_them(
    baskets: OfflineTable,
) -> None:
    fill(baskets, 0)
    refresh_history(baskets)
    replaced = found(baskets).cells.values()
    fill(baskets, 1)

    kept = refresh_history(baskets)
    present = [Path(file).exists() for file in replaced]
    removed = refresh_history(baskets, kept=AT_ONCE)
    version = DeltaTable(history_uri(baskets.snapshot())).version()
    again = refresh_history(baskets, kept=AT_ONCE)

    assert again.files_removed == 0
    assert DeltaTable(history_uri(baskets.snapshot())).version() == version
    assert (kept.files_removed, present) == (0, [True, True])
    assert (removed.files_removed, [Path(file).exists() for file in replaced]) == (2, [False] * 2)
    assert all(Path(file).exists() for file in found(baskets).cells.values())


def test_a_vacuumed_a_damaged_and_a_lost_history_change_no_answer(baskets: OfflineTable) -> None:
    fill(baskets, 0, 1, 31)
    refresh_history(baskets)
    partitions = frozenset({day(0), day(1)})

    def read(snapshot_version: int | None = None) -> list[pl.DataFrame]:
        rows = MonthlyRows.of(baskets.snapshot(version=snapshot_version))
        months = [rows.read("2018-01", bucket, partitions, ["amount"]) for bucket in (0, 1)]
        frames = [pl.DataFrame(dict(month.columns)) for month in months]
        return [frame.select("event_timestamp", "amount").sort(pl.all()) for frame in frames]

    whole = read()
    fill(baskets, 1, amount=9.0)
    refresh_history(baskets, kept=AT_ONCE)
    vacuumed = read(3)
    now = read()
    for file in found(baskets).cells.values():
        content = bytearray(Path(file).read_bytes())
        place, size, _ = json.loads(pq.read_metadata(file).metadata[b"headrace.beside"])
        content[place + size // 2] ^= 1
        Path(file).write_bytes(content)
    flipped = read()
    for file in found(baskets).cells.values():
        Path(file).write_bytes(b"PAR1, but no more than that")
    damaged = read()
    rmtree(history_uri(baskets.snapshot()))
    lost = read()

    assert [frame.rows() for frame in vacuumed] == [frame.rows() for frame in whole]
    assert now[0].rows() != whole[0].rows()
    assert [frame.rows() for frame in flipped] == [frame.rows() for frame in now]
    assert [frame.rows() for frame in damaged] == [frame.rows() for frame in now]
    assert [frame.rows() for frame in lost] == [frame.rows() for frame in now]


def test_a_table_that_was_made_anew_is_not_read_from_the_history_of_the_one_before(
    tmp_path: Path,
) -> None:
    spec = feature_table(LAST_BASKET)
    before = OfflineStore(str(tmp_path)).table(spec)
    fill(before, 0, 31)
    refresh_history(before)
    rmtree(before.uri)
    anew = OfflineStore(str(tmp_path)).table(spec)
    fill(anew, 1, amount=5.0)
    fill(anew, 2, amount=5.0)

    foreign = history_of(anew.snapshot())
    refreshed = refresh_history(anew)

    assert foreign is None
    assert refreshed.months == ("2018-01",)
    assert set(found(anew).cells) == {("2018-01", 0)}
    assert rows_of(list(found(anew).cells.values())).height == 8


def test_a_column_that_the_group_was_given_later_is_null_in_older_months(
    store: OfflineStore, baskets: OfflineTable
) -> None:
    fill(baskets, 0)
    refresh_history(baskets)
    visits = FeatureSpec("visits", DType.INT64, nullable=True)
    group = replace(LAST_BASKET, features=(*LAST_BASKET.features, visits))
    wider = store.table(feature_table(group, buckets=2))
    rows = upsert_rows((1, START + 31 * DAY, 1.0)).with_columns(visits=pl.lit(4, pl.Int64))
    commit(wider, 31, rows)

    refreshed = refresh_history(wider)

    source = MonthlyRows.of(wider.snapshot())
    january = pl.DataFrame(dict(source.read("2018-01", 0, {day(0)}, ["visits"]).columns))
    assert refreshed.months == ("2018-02",)
    assert january["visits"].null_count() == january.height > 0
    assert "visits" in pl.Schema(DeltaTable(history_uri(wider.snapshot())).schema())


def test_a_table_without_commits_has_no_history(baskets: OfflineTable) -> None:
    assert refresh_history(baskets) == HistoryRefresh(-1, (), 0, 0)
    assert history_of(baskets.snapshot()) is None


def test_of_refreshes_at_once_one_writes_and_the_others_find_it_done(
    baskets: OfflineTable, tmp_path: Path
) -> None:
    fill(baskets, *range(0, 60, 10))
    tables = [OfflineStore(str(tmp_path)).table(baskets.spec) for _ in range(4)]

    with ThreadPoolExecutor(len(tables)) as threads:
        refreshed = list(threads.map(refresh_history, tables))

    assert sorted(each.rows for each in refreshed) == [0, 0, 0, 24]
    assert {each.covers for each in refreshed} == {6}
    assert rows_of(list(found(baskets).cells.values())).height == 24


KILLED = """
import os, signal, sys
from headrace.resources.offline import delta_writes, history_refresh
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import LAST_BASKET

commit = history_refresh._commit
def killed(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
history_refresh._commit = killed
table = OfflineStore(sys.argv[1]).table(feature_table(LAST_BASKET, buckets=2))
history_refresh.refresh_history(table)
"""


def test_a_refresh_that_is_killed_leaves_the_history_as_it_was(
    store: OfflineStore, baskets: OfflineTable
) -> None:
    fill(baskets, 0)
    refresh_history(baskets)
    before = found(baskets)
    fill(baskets, 1)

    ended = subprocess.run([sys.executable, "-c", KILLED, store.root], check=False)
    after = found(baskets)
    again = refresh_history(baskets)
    swept = refresh_history(baskets, kept=AT_ONCE)

    assert ended.returncode == -signal.SIGKILL
    assert after == before
    assert again.rows == 8
    # Two that the second refresh replaced, two that the killed one had written.
    assert swept.files_removed == 4


def test_snapshot_groups_have_a_history_too(store: OfflineStore) -> None:
    spend = store.table(feature_table(SPEND))
    for number in (0, 30):
        commit(spend, number, upsert_rows((1, end(number), float(number))))

    refreshed = refresh_history(spend)

    # The last day's rows are stamped with the first instant of the next month.
    assert refreshed.months == ("2018-01",)
    assert rows_of(list(found(spend).cells.values()))["amount"].to_list() == [0.0, 30.0]
