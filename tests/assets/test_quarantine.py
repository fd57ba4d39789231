"""Rows that keep a partition from being committed are kept beside the table, with why."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from headrace.assets.authoring import feature_group, same_partition
from headrace.assets.maintenance import maintain
from headrace.assets.quarantine import Quarantine
from headrace.resources.offline.offline_table import OfflineTable
from headrace.tests.assets.visits import DAYS, VISITOR, World, make_world, midnight, noon

FIFTH = "2024-01-05"
NEGATIVE = {"rule": "greater_than_or_equal_to(0)", "column": "seconds_7d"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def quarantine(world: World) -> Quarantine:
    return Quarantine.beside(world.week.table, world.deployment.offline)


def rows(table: OfflineTable) -> pl.DataFrame:
    """As anybody reads them, without Headrace."""
    return pl.read_delta(table.uri)


def refuse(world: World, day: str = FIFTH) -> None:
    """A visitor with negative seconds, read and computed."""
    world.add((day, 3, "a", -5.0))
    world.materialize(world.source, [day])
    world.materialize(world.week, [day])


def test_the_failing_rows_are_kept_with_their_reasons_and_the_others_are_not(world: World) -> None:
    world.read_inputs(DAYS[:5])
    world.add((FIFTH, 3, "a", -5.0))
    world.materialize(world.source, [FIFTH])

    (outcome,) = world.materialize(world.week, [FIFTH])

    (kept,) = rows(quarantine(world).table).to_dicts()
    assert outcome.quarantined == 1
    assert kept.pop("quarantined_at").tzinfo is not None
    assert 0 <= kept.pop("quarantine_row") < 3
    assert kept == {
        "event_date": FIFTH,
        "visitor": 3,
        "event_timestamp": None,  # they were refused before they were stamped
        "visits_7d": 1,
        "seconds_7d": -5.0,
        "quarantine_reasons": [NEGATIVE],
        "quarantine_run_id": "run",
    }


def test_a_row_bears_every_rule_that_it_broke(world: World) -> None:
    world.read_inputs(DAYS[:1])
    compute = world.week.function

    def wrong(visits: pl.LazyFrame, pages: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
        first = pl.col("visitor") == 1
        return compute(visits, pages, end).with_columns(
            visits_7d=pl.when(first).then(0).otherwise("visits_7d"),
            seconds_7d=pl.lit(float("nan")),
        )

    world.materialize(replace(world.week, function=wrong), DAYS[:1])

    kept = rows(quarantine(world).table).sort("visitor")
    rules = [[each["rule"] for each in reasons] for reasons in kept["quarantine_reasons"]]
    assert rules == [["greater_than_or_equal_to(1)", "not_nullable"], ["not_nullable"]]
    assert kept["seconds_7d"].is_nan().all()


def test_the_same_partition_again_replaces_its_rows_and_leaves_those_of_others(
    world: World,
) -> None:
    world.read_inputs(DAYS[:5])
    refuse(world, DAYS[0])
    refuse(world)

    refuse(world)

    kept = rows(quarantine(world).table).sort("event_date")
    assert kept["event_date"].to_list() == [DAYS[0], FIFTH]
    assert kept["visits_7d"].to_list() == [1, 3]


def test_a_good_commit_lets_the_rows_go_and_their_verdict_stays_in_the_log(world: World) -> None:
    world.read_inputs(DAYS[:5])
    refuse(world, DAYS[3])
    refuse(world)
    before = quarantine(world).commits()
    world.visits = world.visits.filter(pl.col("visitor") < 3)
    world.materialize(world.source, [DAYS[3], FIFTH])

    (outcome,) = world.materialize(world.week, [FIFTH])

    assert outcome.commit is not None
    assert list(before) == [DAYS[3], FIFTH]
    assert list(quarantine(world).commits()) == [DAYS[3]]
    assert rows(quarantine(world).table)["event_date"].to_list() == [DAYS[3]]
    log = quarantine(world).table.log
    assert log.commit(FIFTH, 1).verdicts["breaches"][0]["rule"] == NEGATIVE["rule"]


def test_a_repetition_of_the_good_commit_lets_them_go_too(world: World) -> None:
    world.read_inputs(DAYS[:1])
    world.materialize(world.week, DAYS[:1])
    bad = replace(world.week, function=lambda **_: pl.LazyFrame(BAD), code_version="bad")
    world.materialize(bad, DAYS[:1])
    before = list(quarantine(world).commits())

    (outcome,) = world.materialize(world.week, DAYS[:1])

    assert outcome.commit is not None
    assert outcome.commit.no_op
    assert (before, list(quarantine(world).commits())) == ([DAYS[0]], [])


BAD = {"visitor": [1], "visits_7d": [1], "seconds_7d": [-1.0]}


def test_raw_rows_of_a_source_have_a_quarantine_of_their_own(world: World) -> None:
    world.add((DAYS[0], 5, "a", 1.0))
    world.visits = world.visits.with_columns(
        page=pl.when(pl.col("visitor") == 5).then(None).otherwise("page")
    )

    world.materialize(world.source, DAYS[:2])

    table = Quarantine.beside(world.source.table, world.deployment.offline).table
    assert table.uri.endswith("sources/visits_quarantine")
    assert rows(table).select("visitor", "visited_at").rows() == [(5, noon(DAYS[0]))]
    assert world.generations(world.source) == {DAYS[1]: 1}


@pytest.mark.parametrize(
    ("spoil", "kept"),
    [
        (lambda rows: pl.concat([rows, rows.head(1)]), [1, 1]),
        (lambda rows: rows.drop("seconds_7d"), [1, 2]),
        (lambda rows: rows.with_columns(pl.col("visits_7d").cast(pl.String)), [1, 2]),
        (lambda rows: rows.with_columns(extra=1), [1, 2]),
    ],
    ids=["repeated", "column missing", "wrong type", "unexpected column"],
)
def test_what_is_wrong_with_no_single_row_keeps_all_of_them(
    world: World, spoil: Callable[[pl.LazyFrame], pl.LazyFrame], kept: list[int]
) -> None:
    """Of a repeated key, those rows alone that repeat it."""
    world.read_inputs(DAYS[:1])
    compute = world.week.function

    def wrong(visits: pl.LazyFrame, pages: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
        return spoil(compute(visits, pages, end).sort("visitor"))

    (outcome,) = world.materialize(replace(world.week, function=wrong), DAYS[:1])

    assert outcome.commit is None
    assert sorted(rows(quarantine(world).table)["visitor"]) == kept


def test_rows_outside_the_partition_are_those_that_are_kept(world: World) -> None:
    world.read_inputs(DAYS[:1])
    compute = world.last.function
    late = pl.when(pl.col("visitor") == 2).then(midnight(DAYS[3])).otherwise("event_timestamp")
    wrong = replace(
        world.last, function=lambda visits: compute(visits).with_columns(event_timestamp=late)
    )

    world.materialize(wrong, DAYS[:1])

    table = Quarantine.beside(world.last.table, world.deployment.offline).table
    assert rows(table)["visitor"].to_list() == [2]


def test_a_function_that_raises_leaves_nothing_behind(world: World) -> None:
    world.read_inputs(DAYS[:1])

    def raising(**frames: pl.LazyFrame) -> pl.LazyFrame:
        raise ZeroDivisionError(frames)

    world.materialize(replace(world.week, function=raising), DAYS[:1])

    assert not quarantine(world).table.exists()


def test_nobody_who_looks_for_feature_groups_finds_a_quarantine(world: World) -> None:
    world.read_inputs(DAYS[:5])
    world.materialize(world.week, DAYS[:4])

    refuse(world)

    assert list(world.deployment.offline.feature_groups()) == ["visitor_week"]
    assert FIFTH not in world.generations(world.week)


def test_maintenance_removes_what_left_a_quarantine(world: World) -> None:
    world.read_inputs(DAYS[:1])
    refuse(world, DAYS[0])
    folder = Path(quarantine(world).table.uri)
    before = len(list(folder.rglob("*.parquet")))
    world.visits = world.visits.filter(pl.col("visitor") < 3)
    world.materialize(world.source, DAYS[:1])
    world.materialize(world.week, DAYS[:1])

    maintain(world.week, world.deployment, min_age=timedelta(0))

    left = [each for each in folder.rglob("*.parquet") if "_delta_log" not in str(each)]
    assert (before, left) == (1, [])


def test_a_change_of_schema_that_the_table_refuses_is_no_fault_of_the_rows(world: World) -> None:
    world.read_inputs(DAYS[:2])
    world.materialize(world.week, DAYS[:2])
    world.materialize(world.rank, DAYS[:1])

    class FractionalRank(pa.DataFrameModel):
        visitor: int
        rank: float

    @feature_group(
        entity=VISITOR,
        schema=FractionalRank,
        sources=[same_partition(world.week)],
        ttl=None,
        owners=["team:web"],
    )
    def visitor_rank(visitor_week: pl.LazyFrame) -> pl.LazyFrame:
        return visitor_week.select("visitor", rank=pl.lit(0.5))

    (outcome,) = world.materialize(visitor_rank, DAYS[1:2])

    assert "'rank' changes from Int64 to Float64" in outcome.reason
    assert not Quarantine.beside(visitor_rank.table, world.deployment.offline).table.exists()
