"""What a column feeds and goes back to, across the graph of everything that is declared."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from headrace.assets.column_graph import Column, ColumnGraph, Reach, Touch
from headrace.assets.discovery import Declarations
from headrace.assets.impact import impact
from headrace.tests.assets.visits import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def graph(world: World) -> ColumnGraph:
    return ColumnGraph.of(world.declarations)


def touches(found: Mapping[Column, Reach]) -> dict[str, str]:
    return {str(column): reach.touch.value for column, reach in found.items()}


def test_a_feature_goes_back_to_raw_columns_through_features_of_other_groups(
    graph: ColumnGraph,
) -> None:
    found = graph.raw_origins_of(Column("offline/visitor_rank", "rank"))

    assert touches(found) == {
        "sources/visits.page": "rows",
        "sources/visits.visitor": "rows",
        "dimensions/pages.page": "rows",
    }
    assert list(map(str, found[Column("sources/visits", "page")].path)) == [
        "offline/visitor_rank.rank",
        "offline/visitor_week.visits_7d",
        "sources/visits.page",
    ]


def test_what_is_direct_all_the_way_is_told_apart_from_what_decides_rows_on_it(
    graph: ColumnGraph,
) -> None:
    assert touches(graph.touched_by(Column("dimensions/pages", "weight"))) == {
        "offline/visitor_week.seconds_7d": "direct"
    }
    assert touches(graph.touched_by(Column("offline/visitor_week", "visits_7d"))) == {
        "offline/visitor_rank.rank": "direct",
        "training_sets/returns.visitor_week__visits_7d": "direct",
    }


def test_the_closest_way_is_told_where_there_are_several(graph: ColumnGraph) -> None:
    """A visit's page decides the rows of `visitor_week`, and is a feature of `visitor_last`."""
    found = graph.touched_by(Column("sources/visits", "page"))

    assert found[Column("offline/visitor_last", "page")] == Reach(
        Touch.DIRECT,
        (Column("sources/visits", "page"), Column("offline/visitor_last", "page")),
    )
    assert found[Column("offline/visitor_rank", "rank")].touch is Touch.ROWS


def test_impact_lists_features_training_sets_and_services(world: World, graph: ColumnGraph) -> None:
    found = impact(graph, world.declarations, Column("sources/visits", "page"))

    features = {str(each.reference): reach.touch.value for each, reach in found.features.items()}
    assert features == {
        "visitor_last:page": "direct",
        "visitor_week:visits_7d": "rows",
        "visitor_week:seconds_7d": "rows",
        "visitor_rank:rank": "rows",
    }
    ((returns, columns),) = found.training_sets.items()
    assert returns.name == "returns"
    assert {name: reach.touch.value for name, reach in columns.items()} == {
        "visitor_last__page": "direct",
        "visitor_week__visits_7d": "rows",
    }
    ((service, served),) = found.services.items()
    assert service.name == "page_to_show"
    assert [str(each.reference) for each in served] == [
        "visitor_week:visits_7d",
        "visitor_last:page",
    ]


def test_a_spines_column_decides_the_rows_of_a_training_set(world: World) -> None:
    graph = ColumnGraph.of(world.declarations)

    found = impact(graph, world.declarations, Column("sources/visits", "visitor"))

    ((_, columns),) = found.training_sets.items()
    assert {name: reach.touch.value for name, reach in columns.items()} == {
        "visitor": "direct",
        "returns": "rows",
        "event_timestamp": "rows",
        "visitor_week__visits_7d": "rows",
        "visitor_last__page": "rows",
    }


def test_a_column_that_feeds_nothing_has_no_impact(world: World, graph: ColumnGraph) -> None:
    found = impact(graph, world.declarations, Column("offline/visitor_rank", "rank"))

    assert (found.features, found.training_sets, found.services) == ({}, {}, {})


def test_where_lineage_cannot_be_derived_every_input_may_touch_every_output(world: World) -> None:
    def picky(visitor_week: pl.LazyFrame) -> pl.LazyFrame:
        return pl.LazyFrame({"visitor": [visitor_week.collect().item(0, "visitor")]})

    rank = replace(world.rank, function=picky)
    declared = world.declarations
    others = {key: group for key, group in declared.groups.items() if group is not world.rank}
    declarations = Declarations(
        declared.sources,
        declared.dimensions,
        {**others, ("visitor_rank", 1): rank},
        declared.services,
        declared.training_sets,
    )

    found = ColumnGraph.of(declarations).touched_by(Column("dimensions/pages", "weight"))

    assert touches(found) == {
        "offline/visitor_week.seconds_7d": "direct",
        "offline/visitor_rank.visitor": "unknown",
        "offline/visitor_rank.event_timestamp": "unknown",
        "offline/visitor_rank.rank": "unknown",
    }
