"""The offline store on a real S3: what holds in a folder holds there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from threading import Barrier

import dagster as dg
import polars as pl
import pytest

from headrace.assets.point_in_time import training_frame
from headrace.contract.errors import CommitConflictError, StoreUnavailableError
from headrace.contract.partitions import HOURLY
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.offline.frame_io_manager import FrameIOManager
from headrace.resources.offline.offline_store import OfflineStore, TableKind
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.recorded_catalogue import RecordedVersion
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.object_store import SECRET_KEY, ObjectStore
from headrace.tests.resources.offline.tables import (
    LAST_BASKET,
    SPEND,
    START,
    commit,
    day,
    end,
    snapshot_rows,
)

pytestmark = pytest.mark.server
WRITERS, DAYS = 3, 5


@pytest.fixture
def offline(object_store: ObjectStore) -> OfflineStore:
    return object_store.offline()


@pytest.fixture
def spend(offline: OfflineStore) -> OfflineTable:
    return offline.table(feature_table(SPEND, buckets=2))


def amounts(
    table: OfflineTable, *partitions: str, known_at: datetime | None = None
) -> dict[int, float]:
    rows = table.snapshot(known_at).scan(partitions or None).collect()
    return dict(rows.select("household_id", "amount").iter_rows())


def test_what_was_committed_is_read_back_as_it_is_and_as_it_was(
    object_store: ObjectStore, spend: OfflineTable
) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    commit(spend, 1, snapshot_rows(1, {3: 3.0}))
    corrected = commit(spend, 0, snapshot_rows(0, {1: 9.0}))
    emptied = commit(spend, 1, snapshot_rows(1, {}))

    read = object_store.offline().table(spend.spec)

    assert (corrected.generation, emptied.generation) == (2, 2)
    assert amounts(read) == {1: 9.0}
    assert amounts(read, day(1)) == {}
    assert amounts(read, known_at=first.committed_at) == {1: 1.0, 2: 2.0}
    assert read.snapshot(version=first.version).commits == {day(0): first}


def test_keys_that_are_no_plain_names_are_kept(offline: OfflineStore) -> None:
    """The key of an hour has a colon, which Delta writes percent-encoded into names."""
    spec = feature_table(replace(SPEND, partitions="HOURLY"))
    table, hour = offline.table(spec), HOURLY.key(START)
    rows = snapshot_rows(0, {1: 1.0}).with_columns(
        event_timestamp=pl.lit(HOURLY.window(hour).end, pl.Datetime("us", "UTC"))
    )

    table.commit(hour, rows, identity="i", run_id="r", code_version="c", verdicts={})

    assert amounts(offline.table(spec), hour) == {1: 1.0}


def test_feature_groups_are_known_from_what_was_committed(
    object_store: ObjectStore, offline: OfflineStore
) -> None:
    assert offline.feature_groups() == {}
    for group in (SPEND, replace(SPEND, version=2), LAST_BASKET):
        commit(offline.table(feature_table(group)), 0, snapshot_rows(0, {}))

    groups = object_store.offline().feature_groups()

    assert groups == {
        "last_basket": {1: LAST_BASKET},
        "spend": {1: SPEND, 2: replace(SPEND, version=2)},
    }


def test_training_frames_are_joined(object_store: ObjectStore, spend: OfflineTable) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    commit(spend, 0, snapshot_rows(0, {1: 5.0}))
    spine = pl.DataFrame(
        {"household_id": [2, 1], "event_timestamp": [end(0), end(1)]},
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )

    now, _ = training_frame(spine, ["spend:amount"], object_store.offline())
    then, _ = training_frame(spine, ["spend:amount"], object_store.offline(), first.committed_at)

    assert now["spend__amount"].to_list() == [None, 5.0]
    assert then["spend__amount"].to_list() == [2.0, 1.0]


def test_processes_that_commit_different_partitions_all_succeed(
    object_store: ObjectStore,
) -> None:
    """They create the table at the same time, too."""
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_committing(object_store, first))
            for first in range(0, WRITERS * DAYS, DAYS)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(WRITERS) as waiting:
            said = list(waiting.map(lambda writer: writer.communicate("go\n")[0], writers))

    days = range(WRITERS * DAYS)
    table = object_store.offline().table(feature_table(SPEND))
    rows = table.snapshot().scan().collect()
    assert "".join(said).splitlines() == [f"{day(number)} 1" for number in days]
    assert rows.group_by("amount").len().sort("amount").rows() == [
        (float(number), 1000) for number in days
    ]
    assert {key: each.generation for key, each in table.snapshot().commits.items()} == {
        day(number): 1 for number in days
    }


def test_commits_of_one_partition_at_once_conflict_and_succeed_when_repeated(
    object_store: ObjectStore,
) -> None:
    writers, conflicts, last = 4, 0, 0
    commit(object_store.offline().table(feature_table(SPEND)), 0, snapshot_rows(0, {}))

    while conflicts == 0:  # how many writers meet is chance; that somebody does is not
        together = Barrier(writers)

        def repeatedly(writer: int, together: Barrier = together) -> tuple[int, int]:
            table = object_store.offline().table(feature_table(SPEND))
            rows = snapshot_rows(0, {writer: float(writer)})
            table.snapshot()
            together.wait()
            for refusals in range(writers):
                try:
                    return commit(table, 0, rows, identity=str(writer)).generation, refusals
                except CommitConflictError:
                    continue
            pytest.fail(f"writer {writer} was refused {writers} times by {writers - 1} others")

        with ThreadPoolExecutor(writers) as pool:
            done = list(pool.map(repeatedly, range(writers)))
        last, conflicts = last + writers, sum(refusals for _, refusals in done)
        table = object_store.offline().table(feature_table(SPEND))
        newest = max(range(writers), key=lambda writer: done[writer][0])
        assert sorted(generation for generation, _ in done) == list(range(last - 2, last + 2))
        assert table.snapshot().commits[day(0)].generation == last + 1
        assert amounts(table) == {newest: float(newest)}


def test_processes_that_record_in_the_catalogue_at_once_lose_no_event(
    object_store: ObjectStore,
) -> None:
    def record(group_id: int) -> None:
        table = CatalogueTable(object_store.offline())
        table.register("default", f"g{group_id}", 1, RecordedVersion(group_id, b"{}"))
        table.go_live("default", {f"g{group_id}": 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))

    recorded = CatalogueTable(object_store.offline()).read("default")
    assert recorded.sequence == 8
    assert recorded.taken_ids == {0, 1, 2, 3}
    assert recorded.live == {f"g{group_id}": 1 for group_id in range(4)}


def test_frames_of_undeclared_assets_are_kept(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_variables(object_store, monkeypatch)
    seen: list[int] = []

    @dg.asset
    def numbers() -> pl.DataFrame:
        return pl.DataFrame({"number": [1, 2, 3]})

    @dg.asset
    def total(numbers: pl.LazyFrame) -> None:
        seen.append(numbers.sum().collect().item())

    store = OfflineStore(object_store.root)
    run = dg.materialize([numbers, total], resources={"io_manager": FrameIOManager.of(store)})

    assert run.success
    assert seen == [6]
    assert store.stored_table(TableKind.PLAIN, "numbers") is not None


def test_a_wrong_secret_is_not_shown(object_store: ObjectStore) -> None:
    options = {
        **object_store.variables,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "max_retries": "0",
    }
    table = OfflineStore(object_store.root, options).table(feature_table(SPEND))

    with pytest.raises(StoreUnavailableError) as refusal:
        commit(table, 0, snapshot_rows(0, {1: 1.0}))

    assert SECRET_KEY not in str(refusal.value)


def _set_variables(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)


@contextmanager
def _committing(object_store: ObjectStore, first: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "headrace.tests.resources.offline.committing"),
            *(object_store.root, str(first), str(DAYS)),
        ],
        env={**os.environ, **object_store.variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
