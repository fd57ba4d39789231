"""Exactly what a change touches is requested, and nothing is forgotten."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from inspect import Parameter, Signature

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from headrace.assets.authoring import (
    DAILY,
    HOURLY,
    Entity,
    EventTimestamp,
    dimension,
    feature_group,
    same_partition,
    source,
    trailing,
)
from headrace.assets.declarations import Dimension, FeatureGroup, Input, Source
from headrace.assets.discovery import Declarations
from headrace.assets.factory.asset_graph import build_assets
from headrace.contract.clock import Clock
from headrace.contract.partitions import Partitioning

NOW = datetime(2024, 2, 15, tzinfo=UTC)
ITEM = Entity("item", join_keys={"item": pl.Int64})


class Sales(pa.DataFrameModel):
    item: int
    at: EventTimestamp


class Sold(pa.DataFrameModel):
    item: int
    sold: int


class Names(pa.DataFrameModel):
    item: int


def sales_by(partitions: Partitioning, start: str) -> Source:
    @source(
        schema=Sales, event_timestamp="at", start=start, owners=["team:x"], partitions=partitions
    )
    def sales(start: datetime, end: datetime) -> pl.LazyFrame:
        raise NotImplementedError(start, end)

    return sales


@dimension(schema=Names, owners=["team:x"])
def names() -> pl.LazyFrame:
    raise NotImplementedError


def group(name: str, *inputs: Input | Dimension, partitions: Partitioning = DAILY) -> FeatureGroup:
    def function(**frames: pl.LazyFrame) -> pl.LazyFrame:
        raise NotImplementedError(frames)

    function.__name__ = name
    vars(function)["__signature__"] = Signature(
        [Parameter(each.name, Parameter.POSITIONAL_OR_KEYWORD) for each in inputs]
    )
    declare = feature_group(
        entity=ITEM,
        schema=Sold,
        sources=inputs,
        ttl=None,
        owners=["team:x"],
        partitions=partitions,
    )
    return declare(function)


@dataclass
class Automation:
    """What Dagster remembers, and what it would request next."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    result: dg.EvaluateAutomationConditionsResult | None = None

    def happened(self, asset: str, *partitions: str | None, generation: int) -> None:
        """Report materializations."""
        for partition in partitions:
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    dg.AssetKey(asset.split("/")),
                    partition=partition,
                    tags={"dagster/data_version": str(generation)},
                )
            )

    def tick(self) -> dict[str, list[str]]:
        """Evaluate once; what is requested, by asset."""
        self.result = dg.evaluate_automation_conditions(
            defs=self.definitions,
            instance=self.instance,
            cursor=None if self.result is None else self.result.cursor,
            evaluation_time=datetime.now(UTC),
        )
        result = self.result
        requested = {
            key.to_user_string(): sorted(result.get_requested_partitions(key), key=str)
            for key in self.definitions.resolve_asset_graph().get_all_asset_keys()
        }
        return {asset: [str(key) for key in keys] for asset, keys in requested.items() if keys}


def days(first: str, last: str) -> list[str]:
    start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    return [f"{start + timedelta(days=day):%Y-%m-%d}" for day in range((end - start).days + 1)]


ALL = days("2024-01-01", "2024-02-14")


def automation(
    declared: Source, groups: Sequence[FeatureGroup], absent: Sequence[str] = ()
) -> Iterator[Automation]:
    """A graph whose partitions are all materialized, apart from the absent ones; seen once."""
    declarations = Declarations(
        {"sales": declared},
        {"names": names},
        {(each.name, each.version): each for each in groups},
        {},
        {},
    )
    assets = build_assets(declarations, Clock(NOW))
    definitions = dg.Definitions(
        assets=assets,
        resources={"deployment": "nothing runs here"},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        made = Automation(definitions, instance)
        made.happened("dimensions/names", None, generation=1)
        for asset in assets:
            partitions = asset.partitions_def
            keys = [] if partitions is None else partitions.get_partition_keys()
            made.happened(
                asset.key.to_user_string(),
                *(key for key in keys if key not in absent),
                generation=1,
            )
        assert made.tick() == {}
        yield made


@pytest.fixture
def daily() -> Iterator[Automation]:
    sales = sales_by(DAILY, "2024-01-01")
    windows = [group(f"sold_{n}d", trailing(sales, days=n), names) for n in (1, 7, 30)]
    yield from automation(sales, windows)


def both(name: str, partitions: list[str]) -> dict[str, list[str]]:
    return {f"offline/{name}": partitions, f"online/{name}": partitions}


def test_nothing_is_requested_while_nothing_changes(daily: Automation) -> None:
    assert [daily.tick(), daily.tick()] == [{}, {}]


def test_a_late_day_requests_exactly_the_windows_that_contain_it(daily: Automation) -> None:
    daily.happened("sources/sales", "2024-01-10", generation=2)

    requested = daily.tick()

    assert requested == {
        **both("sold_1d", ["2024-01-10"]),
        **both("sold_7d", days("2024-01-10", "2024-01-16")),
        **both("sold_30d", days("2024-01-10", "2024-02-08")),
    }
    assert daily.tick() == {}


def test_a_repetition_that_committed_nothing_requests_nothing(daily: Automation) -> None:
    daily.happened("sources/sales", "2024-01-10", generation=1)

    assert daily.tick() == {}


def test_a_new_version_of_a_dimension_requests_nothing(daily: Automation) -> None:
    daily.happened("dimensions/names", None, generation=2)

    assert daily.tick() == {}


def test_a_change_between_a_request_and_the_next_tick_is_not_forgotten(daily: Automation) -> None:
    """Dagster's own `eager()` requests only 17 and 18 of the 7-day windows here."""
    daily.happened("sources/sales", "2024-01-10", generation=2)
    daily.tick()
    daily.happened("sources/sales", "2024-01-12", generation=2)

    requested = daily.tick()

    assert requested["offline/sold_7d"] == days("2024-01-12", "2024-01-18")


def test_a_change_while_its_windows_are_materialized_is_not_forgotten(daily: Automation) -> None:
    daily.happened("sources/sales", "2024-01-10", generation=2)
    daily.tick()
    daily.happened("sources/sales", "2024-01-11", generation=2)
    daily.happened("offline/sold_7d", *days("2024-01-10", "2024-01-16"), generation=2)

    requested = daily.tick()

    assert requested["offline/sold_7d"] == days("2024-01-11", "2024-01-17")


def test_a_group_that_was_recomputed_elsewhere_is_published(daily: Automation) -> None:
    daily.happened("offline/sold_7d", "2024-01-10", generation=2)

    assert daily.tick() == {"online/sold_7d": ["2024-01-10"]}


def test_a_missing_day_does_not_stop_the_windows_that_reach_over_it() -> None:
    sales = sales_by(DAILY, "2024-01-01")
    windows = [group("sold_7d", trailing(sales, days=7))]

    for made in automation(sales, windows, absent=["2024-01-09"]):
        made.happened("sources/sales", "2024-01-10", generation=2)

        assert made.tick() == both("sold_7d", days("2024-01-10", "2024-01-16"))


def test_a_missing_day_stops_no_window_of_thirty_days_after_its_own() -> None:
    """With Dagster's own `eager()` the group stands still for a month."""
    sales = sales_by(DAILY, "2024-01-01")
    windows = [group("sold_30d", trailing(sales, days=30))]

    for made in automation(sales, windows, absent=["2024-01-15"]):
        made.happened("sources/sales", "2024-01-10", generation=2)
        corrected = made.tick()
        made.happened("sources/sales", "2024-01-15", generation=1)
        arrived = made.tick()

        before, after = days("2024-01-10", "2024-01-14"), days("2024-01-16", "2024-02-08")
        assert corrected == both("sold_30d", [*before, *after])
        assert arrived == both("sold_30d", days("2024-01-15", "2024-02-13"))


def test_a_window_waits_for_its_newest_day_and_is_requested_when_it_comes() -> None:
    sales = sales_by(DAILY, "2024-01-01")
    windows = [group("sold_7d", trailing(sales, days=7))]

    for made in automation(sales, windows, absent=["2024-02-13", "2024-02-14"]):
        made.happened("sources/sales", "2024-02-12", generation=2)
        first = made.tick()
        made.happened("sources/sales", "2024-02-14", generation=1)
        second = made.tick()
        made.happened("sources/sales", "2024-02-13", generation=1)
        third = made.tick()

        assert first == both("sold_7d", ["2024-02-12"])
        assert second == both("sold_7d", ["2024-02-14"])
        assert third == both("sold_7d", ["2024-02-13", "2024-02-14"])


def test_a_late_hour_requests_exactly_the_hourly_windows_that_contain_it() -> None:
    sales = sales_by(HOURLY, "2024-02-12")
    windows = [group("sold_6h", trailing(sales, hours=6), partitions=HOURLY)]

    for made in automation(sales, windows):
        made.happened("sources/sales", "2024-02-13-22:00", generation=2)

        late = [f"2024-02-13-{hour}:00" for hour in (22, 23)]
        early = [f"2024-02-14-{hour:02}:00" for hour in range(4)]
        assert made.tick() == both("sold_6h", [*late, *early])


@pytest.mark.parametrize(
    ("length", "begin"),
    [
        (1, "2024-02-12"),
        (7, "2024-02-06"),
        pytest.param(30, "2024-01-12", marks=pytest.mark.slow),
    ],
)
def test_a_late_hour_requests_as_many_hours_as_its_windows_are_long(
    length: int, begin: str
) -> None:
    sales = sales_by(HOURLY, begin)
    windows = [group("sold", trailing(sales, days=length), partitions=HOURLY)]

    for made in automation(sales, windows):
        late = datetime.fromisoformat(f"{begin}T05:00:00+00:00")
        made.happened("sources/sales", HOURLY.key(late), generation=2)

        hours = list(HOURLY.keys(late, late + timedelta(days=length)))
        assert made.tick() == both("sold", hours)
        assert made.tick() == {}


def test_a_day_does_not_wait_for_hours_that_it_does_not_read() -> None:
    sales = sales_by(HOURLY, "2024-02-09")
    windows = [group("sold_6h", trailing(sales, hours=6))]

    for made in automation(sales, windows, absent=["2024-02-10-03:00"]):
        made.happened("sources/sales", "2024-02-10-22:00", generation=2)

        assert made.tick() == both("sold_6h", ["2024-02-10"])


def test_a_day_waits_for_all_hours_of_its_own_where_it_reads_them() -> None:
    sales = sales_by(HOURLY, "2024-02-09")
    windows = [group("sold_1d", same_partition(sales)), group("sold_2d", trailing(sales, days=2))]

    for made in automation(sales, windows, absent=["2024-02-10-03:00"]):
        made.happened("sources/sales", "2024-02-10-22:00", generation=2)

        assert made.tick() == both("sold_2d", ["2024-02-11"])


def test_a_late_hour_requests_the_days_that_contain_it() -> None:
    sales = sales_by(HOURLY, "2024-02-01")
    windows = [group("sold_2d", trailing(sales, days=2))]

    for made in automation(sales, windows):
        made.happened("sources/sales", "2024-02-10-22:00", generation=2)

        assert made.tick() == both("sold_2d", ["2024-02-10", "2024-02-11"])


def test_a_group_of_a_group_is_requested_in_the_same_tick() -> None:
    sales = sales_by(DAILY, "2024-01-01")
    base = group("base", trailing(sales, days=2))
    derived = group("derived", same_partition(base))

    for made in automation(sales, [base, derived]):
        made.happened("sources/sales", "2024-01-10", generation=2)

        windows = ["2024-01-10", "2024-01-11"]
        assert made.tick() == {**both("base", windows), **both("derived", windows)}


def test_a_run_that_computed_and_published_is_answer_enough(daily: Automation) -> None:
    """Dagster's `executed_with_root_target` sees the last partition of a range alone."""
    windows = days("2024-01-10", "2024-01-16")
    daily.happened("offline/sold_7d", *windows, generation=2)
    daily.happened("online/sold_7d", *windows, generation=2)

    assert daily.tick() == {}
