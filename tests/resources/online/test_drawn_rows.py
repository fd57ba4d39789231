from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from headrace.contract.feature_group import Online
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online import drawn_rows as module
from headrace.resources.online.drawn_rows import drawn_rows
from headrace.resources.online.online_store import OnlineStore
from headrace.tests.resources.online.publishing import Stage, group_of

HOUSEHOLDS = 40


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(
        group_of(Online.UPSERT),
        OnlineStore("unix:///nobody/is/asked", "test"),
        OfflineStore(str(tmp_path)),
    )
    for number in (1, 2, 3):
        stage.commit(number, [(household, 9, float(number)) for household in range(HOUSEHOLDS)])
    return stage


def draw(stage: Stage, number: int) -> list[tuple[float, int]]:
    """Day and household of each row."""
    snapshot = stage.table.snapshot()
    commits = list(snapshot.commits.values())
    rows = [rows for _, rows in drawn_rows(snapshot, commits, number)]
    return list(pl.concat(rows).select("spend", "household_id").iter_rows())


def test_so_many_distinct_rows_are_drawn_from_all(stage: Stage) -> None:
    drawn = draw(stage, 60)

    assert len(set(drawn)) == len(drawn) == 60
    assert {day for day, _ in drawn} == {1.0, 2.0, 3.0}


def test_all_are_drawn_where_there_are_no_more(stage: Stage) -> None:
    assert len(set(draw(stage, 1000))) == 3 * HOUSEHOLDS


def test_every_row_has_the_same_chance_also_where_only_some_blocks_are_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_ROWS", 16)  # of 40 rows: the last block of each has 8
    monkeypatch.setattr(module, "_BLOCKS_DRAWN", 4)
    draws, number = 400, 8

    times = Counter(row for _ in range(draws) for row in draw(stage, number))

    assert len(times) == 3 * HOUSEHOLDS
    expected = draws * number / (3 * HOUSEHOLDS)  # 27, and 5 is a standard deviation
    assert max(times.values()) < 2.5 * expected
    short = [count for (_, household), count in times.items() if household >= 32]
    assert sum(short) == pytest.approx(expected * len(short), rel=0.25)
