"""Several publishers at once take the fast path and the guarded one, and lose nothing.

The counts are part of what is tested: a test that takes one way alone would prove nothing about the
two together. That one aborts the other is up to the scheduler here: the rounds go on until it was
seen, or are over. `test_fast_path` makes it happen.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from headrace.contract.feature_group import Online
from headrace.resources.online.bulk_write import Writes
from headrace.tests.resources.online.publishing import (
    Rows,
    Stage,
    as_rows,
    expected,
    group_of,
    publish_at_random,
    stage_of,
)

pytestmark = pytest.mark.server

HOUSEHOLDS = 3000
PUBLISHERS = 3
ROUNDS = 20

Committed: TypeAlias = dict[int, tuple[int, Rows]]


def commit_at_random(stage: Stage, committed: Committed, number: int, random: Random) -> None:
    """Commit a day anew: some households move in time, some are dropped, some appear."""
    rows: Rows = {
        household: (random.randrange(24), float(random.randrange(1000)))
        for household in range(HOUSEHOLDS)
        if random.random() < 0.8
    }
    generation = stage.commit(number, as_rows(stage, rows)).generation
    committed[number] = (generation, rows)


def publish_at_once(executor: Executor, online: Online, url: str, folder: Path) -> Writes:
    """Days that go by, published by several at once beside corrections of earlier days.

    Returns:
        How rows were written, once each way was taken or the rounds are over.
    """
    stage, committed, done = stage_of(group_of(online), url, folder), Committed(), Writes()
    random = Random(7)  # noqa: S311 - likewise
    commit_at_random(stage, committed, 1, random)
    for newest in range(2, ROUNDS):
        commit_at_random(stage, committed, newest, random)
        running: list[Future[Writes]] = [
            executor.submit(publish_at_random, url, str(folder), online, newest)
            for _ in range(PUBLISHERS)
        ]
        for number in random.sample(range(1, newest + 1), 2):
            commit_at_random(stage, committed, number, random)
        done = sum((future.result() for future in running), done)
        for partition in stage.unpublished():
            stage.publish(int(partition[-2:]))

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
    assert done.batches_guarded > 0
