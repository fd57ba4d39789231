"""Which runs are planned for which partitions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    Entity,
    EventTimestamp,
    dimension,
    feature_group,
    same_partition,
    source,
    trailing,
)
from headrace.cli.run_plan import Committed, Node, PlannedRun, consecutive, plan_runs
from headrace.contract.partitions import DAILY, HOURLY

USER = Entity("user", join_keys={"user_id": pl.Int64})


class Clicks(pa.DataFrameModel):
    user_id: int
    at: EventTimestamp


class Countries(pa.DataFrameModel):
    user_id: int
    country: str


class Activity(pa.DataFrameModel):
    user_id: int
    clicks: int


@source(schema=Clicks, event_timestamp="at", start="2024-01-01", owners=["team:a"])
def clicks(start: datetime, end: datetime) -> pl.LazyFrame:
    raise NotImplementedError


@dimension(schema=Countries, owners=["team:a"])
def countries() -> pl.LazyFrame:
    raise NotImplementedError


@feature_group(
    entity=USER,
    schema=Activity,
    sources=[trailing(clicks, days=3), countries],
    ttl=timedelta(days=1),
    owners=["team:a"],
)
def activity(clicks: pl.LazyFrame, countries: pl.LazyFrame) -> pl.LazyFrame:
    raise NotImplementedError


@feature_group(
    entity=USER,
    schema=Activity,
    sources=[same_partition(activity)],
    ttl=timedelta(days=1),
    owners=["team:a"],
)
def trend(activity: pl.LazyFrame) -> pl.LazyFrame:
    raise NotImplementedError


@feature_group(
    entity=USER,
    schema=Activity,
    sources=[trailing(clicks, days=1)],
    ttl=None,
    owners=["team:a"],
)
def daily_activity(clicks: pl.LazyFrame) -> pl.LazyFrame:
    raise NotImplementedError


Partitions: TypeAlias = dict[Node, set[str]]


def test_missing_upstream_partitions_are_computed_first() -> None:
    runs = plan_runs({activity: ["2024-01-05", "2024-01-06"]}, _committed({}))

    assert runs == (
        PlannedRun((countries,), ("all",)),
        PlannedRun((clicks,), ("2024-01-03", "2024-01-04", "2024-01-05", "2024-01-06")),
        PlannedRun((activity,), ("2024-01-05", "2024-01-06")),
    )


def test_what_is_committed_upstream_is_left_alone() -> None:
    committed: Partitions = {countries: {"all"}, clicks: {"2024-01-03", "2024-01-04", "2024-01-05"}}

    runs = plan_runs({activity: ["2024-01-05"]}, _committed(committed))

    assert runs == (PlannedRun((activity,), ("2024-01-05",)),)


def test_a_hole_upstream_is_filled_by_a_run_of_its_own() -> None:
    committed: Partitions = {countries: {"all"}, clicks: {"2024-01-04", "2024-01-05"}}

    runs = plan_runs({activity: ["2024-01-05", "2024-01-06"]}, _committed(committed))

    assert runs == (
        PlannedRun((clicks,), ("2024-01-03",)),
        PlannedRun((clicks,), ("2024-01-06",)),
        PlannedRun((activity,), ("2024-01-05", "2024-01-06")),
    )


def test_no_partition_from_before_a_history_begins_is_asked_for() -> None:
    runs = plan_runs({activity: ["2024-01-01"]}, _committed({countries: {"all"}}))

    assert runs == (
        PlannedRun((clicks,), ("2024-01-01",)),
        PlannedRun((activity,), ("2024-01-01",)),
    )


def test_a_group_of_a_group_comes_after_it_even_when_both_are_asked_for() -> None:
    committed: Partitions = {countries: {"all"}, clicks: {"2024-01-01"}, activity: {"2024-01-01"}}

    runs = plan_runs({trend: ["2024-01-01"], activity: ["2024-01-01"]}, _committed(committed))

    assert runs == (
        PlannedRun((activity,), ("2024-01-01",)),
        PlannedRun((trend,), ("2024-01-01",)),
    )


def test_groups_over_the_same_partitions_share_a_run() -> None:
    committed: Partitions = {countries: {"all"}, clicks: {"2024-01-01"}}
    runs = plan_runs(
        {activity: ["2024-01-01"], daily_activity: ["2024-01-01"]}, _committed(committed)
    )

    assert runs == (PlannedRun((activity, daily_activity), ("2024-01-01",)),)


def test_stretches_have_no_gap() -> None:
    assert consecutive(DAILY, ["2024-02-29", "2024-03-02", "2024-03-01", "2024-03-05"]) == [
        ("2024-02-29", "2024-03-01", "2024-03-02"),
        ("2024-03-05",),
    ]
    assert consecutive(HOURLY, ["2024-01-02-00:00", "2024-01-01-23:00"]) == [
        ("2024-01-01-23:00", "2024-01-02-00:00")
    ]


def _committed(partitions: Mapping[Node, set[str]]) -> Committed:
    return lambda node: frozenset(partitions.get(node, ()))


def test_a_long_stretch_is_cut_into_runs() -> None:
    """So that another run may write the table in between."""
    first = datetime(2024, 1, 1, tzinfo=UTC)
    keys = [DAILY.key(first + timedelta(days=day)) for day in range(130)]

    planned = plan_runs({clicks: keys}, lambda _: frozenset())

    assert [len(run.partitions) for run in planned] == [64, 64, 2]
    assert [key for run in planned for key in run.partitions] == keys
