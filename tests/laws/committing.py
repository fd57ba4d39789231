"""Committing histories to a real offline store, and asking it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import polars as pl

from headrace.assets.point_in_time import OfflineStore, training_frame
from headrace.resources.offline.offline_table import Commit, Computation
from headrace.tests.laws.oracle import comparable
from headrace.tests.laws.worlds import Asked, Change, World


@contextmanager
def empty_store() -> Iterator[OfflineStore]:
    """An offline store that lives as long as one example."""
    with tempfile.TemporaryDirectory(prefix="laws") as folder:
        yield OfflineStore(folder)


def commit(store: OfflineStore, world: World, change: Change, identity: str) -> list[Commit]:
    """Commit the partitions of a change together."""
    return store.table(world.table).commit_all(
        [
            Computation(world.key_of(number), world.frame(facts), identity, {})
            for number, facts in change.items()
        ],
        run_id="run",
        code_version="code",
    )


def commit_history(
    store: OfflineStore, world: World, history: Sequence[Change], *, first: int = 0
) -> list[datetime]:
    """Commit changes one after the other; when each was."""
    return [
        commit(store, world, change, f"change {number}")[0].committed_at
        for number, change in enumerate(history, first)
    ]


def answers(frame: pl.DataFrame, world: World) -> list[tuple[object, ...]]:
    """A group's columns of a frame, row by row, comparable."""
    columns = [f"{world.group.name}__{feature.name}" for feature in world.group.features]
    return [tuple(comparable(value) for value in row) for row in frame.select(columns).rows()]


def trained(
    store: OfflineStore,
    world: World,
    asked: Sequence[Asked],
    known_at: datetime | None = None,
) -> list[tuple[object, ...]]:
    """What `training_frame` says of a group's features, for each row asked."""
    frame, _ = training_frame(world.spine(asked), [world.group.name], store, known_at)
    return answers(frame, world)
