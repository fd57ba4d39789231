"""The newest rows of some entities, as a look at every row of the table finds them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlparse

import polars as pl
import pytest

from headrace.contract.feature_group import Online
from headrace.resources.offline.commit_log import Commit
from headrace.resources.offline.history import history_uri
from headrace.resources.offline.history_refresh import refresh_history
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import Computation, OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.resources.online.entity_search import newest_of_entities
from headrace.resources.online.projection import commits_of, newest_rows
from headrace.tests.resources.online.publishing import day, group_of, key_of

GROUP = group_of(Online.UPSERT)
DAYS, HOUSEHOLDS = range(1, 66), range(200)
ALONE = range(0, 200, 50)


@pytest.fixture(params=[1, 4], ids=["one bucket", "four buckets"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> OfflineTable:
    """Some weeks, of which the history has all but some that were committed after it."""
    store = OfflineStore(str(tmp_path / "offline"))
    table, random = store.table(feature_table(GROUP, buckets=request.param)), Random(3)  # noqa: S311
    commit(table, {number: random.sample(HOUSEHOLDS, 4) for number in DAYS})
    refresh_history(table)
    late = {number: random.sample(HOUSEHOLDS, 3) for number in (65, 50, 49, 12)}
    commit(table, {**late, 66: random.sample(HOUSEHOLDS, 4)})
    return table


def commit(table: OfflineTable, households: dict[int, list[int]]) -> None:
    computed = [
        Computation(
            key_of(number),
            pl.DataFrame(
                [(each, day(number, hour), number + hour / 100) for hour, each in enumerate(its)],
                schema=table.spec.schema,
                orient="row",
            ),
            f"{number} {its}",
            {},
        )
        for number, its in households.items()
    ]
    for at in range(0, len(computed), 32):
        table.commit_all(computed[at : at + 32], run_id="run", code_version="1")


def rows_of(found: Iterator[tuple[Commit, pl.DataFrame]]) -> set[tuple[object, ...]]:
    return {
        (commit.partition, commit.generation, *row) for commit, part in found for row in part.rows()
    }


def searched(table: OfflineTable, generations: dict[str, int]) -> tuple[set[object], set[object]]:
    """What a search finds of every household, one by one and together, and what there is."""
    snapshot = table.snapshot()
    commits = commits_of(snapshot, generations).values()
    every = pl.DataFrame({"household_id": HOUSEHOLDS}, schema={"household_id": pl.Int64})
    there = rows_of(newest_rows(GROUP, snapshot, commits))
    together = rows_of(newest_of_entities(GROUP, snapshot, commits, every, by_history=True))
    alone = {
        row
        for household in ALONE
        for row in rows_of(
            newest_of_entities(GROUP, snapshot, commits, every[household], by_history=True)
        )
    }
    assert alone <= together
    assert {row for row in together if row[2] in ALONE} == alone
    return set(together), set(there)


def newest(table: OfflineTable) -> dict[str, int]:
    return {key: commit.generation for key, commit in table.snapshot().commits.items()}


def test_every_newest_row_is_found_in_history_and_in_late_days(table: OfflineTable) -> None:
    found, there = searched(table, newest(table))

    assert found == there
    assert len(found) > 100


def test_rows_of_days_and_generations_that_are_not_published_are_not_found(
    table: OfflineTable,
) -> None:
    published = newest(table)
    published[key_of(50)] = 1  # the history has these very rows, the newest commit others
    for number in (30, 31, 64):
        del published[key_of(number)]

    found, there = searched(table, published)

    assert found == there
    assert not {row[0] for row in found} & {key_of(number) for number in (30, 31, 64)}  # type: ignore[index]


def test_a_history_that_is_lost_or_damaged_changes_nothing(table: OfflineTable) -> None:
    found, _ = searched(table, newest(table))
    folder = Path(urlparse(history_uri(table.snapshot())).path)
    damaged = sorted(folder.rglob("*.parquet"))
    for file in damaged[::2]:
        file.write_bytes(b"no rows")

    assert searched(table, newest(table))[0] == found

    shutil.rmtree(folder)

    assert searched(table, newest(table))[0] == found
    assert len(damaged) >= 3
