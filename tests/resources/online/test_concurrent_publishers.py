"""Several publishers at once take the fast path, are held up on it, and lose nothing.

The counts are part of what is tested: a test that never takes the fast path, or never aborts it,
would prove nothing about it.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from headrace.contract.errors import FencedError
from headrace.contract.feature_group import Online
from headrace.resources.online.bulk_write import Writes
from headrace.resources.online.publisher import unpublished_partitions
from headrace.tests.resources.online.publishing import (
    Rows,
    Stage,
    as_rows,
    expected,
    group_of,
    stage_of,
)

pytestmark = pytest.mark.server

DAYS = (1, 2, 3, 4)
HOUSEHOLDS = 3000
PUBLISHERS = 3
ROUNDS = 20

Committed: TypeAlias = dict[int, tuple[int, Rows]]


def publish_at_random(url: str, folder: str, online: Online, seed: int) -> Writes:
    """Publish days in a random order, the newest most often: what one process does."""
    stage, done = stage_of(group_of(online), url, Path(folder)), Writes()
    random = Random(seed)  # noqa: S311 - a schedule, no secret
    for _ in range(6):
        try:
            publication = stage.publish(random.choice((*DAYS, 4, 4, 4)), repeat=True)
        except FencedError:
            continue
        done += Writes(
            publication.rows_written,
            publication.batches_fast,
            publication.batches_aborted,
            publication.batches_guarded,
        )
    return done


def commit_at_random(stage: Stage, committed: Committed, number: int, random: Random) -> None:
    """Commit a day anew: some households move in time, some are dropped, some appear."""
    rows: Rows = {
        household: (random.randrange(24), float(random.randrange(1000)))
        for household in range(HOUSEHOLDS)
        if random.random() < 0.8
    }
    generation = stage.commit(number, as_rows(stage, rows)).generation
    committed[number] = (generation, rows)


def settle(stage: Stage) -> None:
    for partition in unpublished_partitions(stage.group, stage.table, stage.online):
        stage.publish(int(partition[-2:]))


def publish_at_once(executor: Executor, online: Online, url: str, folder: Path) -> Writes:
    """Rounds of publishers beside corrections, until each way of writing was taken; the counts."""
    stage, committed = stage_of(group_of(online), url, folder), Committed()
    random = Random(7)  # noqa: S311 - likewise
    done = Writes()
    for number in DAYS:
        commit_at_random(stage, committed, number, random)
    for turn in range(ROUNDS):
        running: list[Future[Writes]] = [
            executor.submit(publish_at_random, url, str(folder), online, turn * PUBLISHERS + each)
            for each in range(PUBLISHERS)
        ]
        for number in random.sample(DAYS, 2):
            commit_at_random(stage, committed, number, random)
        done = sum((future.result() for future in running), done)
        settle(stage)

        assert stage.served() == expected(stage, committed)
        assert stage.verify().is_clean
        if done.batches_fast and done.batches_aborted and done.batches_guarded:
            break
    return done


def _threads() -> Executor:
    return ThreadPoolExecutor(PUBLISHERS)


def _processes() -> Executor:
    return ProcessPoolExecutor(PUBLISHERS, multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT])
@pytest.mark.parametrize(
    "executor",
    [_threads, pytest.param(_processes, marks=pytest.mark.slow)],
    ids=lambda each: each.__name__,
)
def test_publishers_at_once_end_in_what_is_committed(
    executor: Callable[[], Executor], online: Online, valkey_url: str, tmp_path: Path
) -> None:
    with executor() as publishers:
        done = publish_at_once(publishers, online, valkey_url, tmp_path)

    print(f"{online}: {done}")  # noqa: T201 - shown with -s
    assert done.batches_fast > 0
    assert done.batches_aborted > 0
    assert done.batches_guarded > 0
