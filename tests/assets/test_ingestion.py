"""Reading sources and dimensions."""

import errno
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from headrace.tests.assets.visits import DAYS, World, make_world, midnight


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_an_empty_partition_is_committed_and_valid(world: World) -> None:
    world.visits = world.visits.clear()

    (read,) = world.materialize(world.source, ["2024-01-01"])
    world.materialize(world.dimension)
    (computed,) = world.materialize(world.week, ["2024-01-01"])

    assert read.commit is not None
    assert computed.commit is not None
    assert (read.commit.rows, computed.commit.rows) == (0, 0)


def test_rows_in_another_order_are_the_same_rows(world: World) -> None:
    world.read_inputs()
    world.visits = world.visits.reverse()
    world.pages = world.pages.reverse()

    world.read_inputs()

    assert world.generations(world.source) == dict.fromkeys(DAYS, 1)
    assert world.generations(world.dimension) == {"all": 1}


def test_one_row_twice_is_not_the_same_as_once(world: World) -> None:
    world.read_inputs()
    world.add(("2024-01-05", 1, "a", 10.0))

    world.read_inputs()

    assert world.generations(world.source)["2024-01-05"] == 2


def test_a_reader_is_asked_for_neighbours_together(world: World) -> None:
    world.materialize(world.source, ["2024-01-07", "2024-01-02", "2024-01-03", "2024-01-01"])

    assert world.asked == [
        (midnight("2024-01-01"), midnight("2024-01-04")),
        (midnight("2024-01-07"), midnight("2024-01-08")),
    ]


def test_a_reader_that_fails_for_one_window_fails_that_window_alone(world: World) -> None:
    read = world.source.reader

    def raising(start: datetime, end: datetime) -> pl.LazyFrame:
        if start <= midnight("2024-01-02") < end:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        return read(start, end)

    outcomes = world.materialize(replace(world.source, reader=raising), DAYS[:3])

    assert [outcome.commit is not None for outcome in outcomes] == [True, False, True]
    assert outcomes[1].reason == "FileNotFoundError: [Errno 2] no such file"


def test_a_reader_that_returns_more_than_its_window_is_refused(world: World) -> None:
    source = replace(world.source, reader=lambda _start, _end: world.visits.lazy())

    outcomes = world.materialize(source, DAYS[:2])

    assert world.generations(world.source) == {}
    assert all("lie outside" in outcome.reason for outcome in outcomes)
