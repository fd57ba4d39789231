"""Assets whose rows are judged and committed, as Dagster runs and records them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from headrace.assets.factory.checks import CHECK
from headrace.assets.factory.code_references import linked_to_git
from headrace.assets.factory.lineage import lineage_of
from headrace.assets.factory.steps import PUBLISH_TAG
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.tests.assets.factory.graph import WEEK, Graph, failure, graph_of
from headrace.tests.assets.test_severities import LenientWeek
from headrace.tests.assets.visits import DAYS, World

WINDOWS_OF_THE_FIFTH = DAYS[4:11]


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with graph_of(tmp_path) as made:
        yield made


def add_bad_visit(graph: Graph, day: str) -> None:
    graph.world.add((day, 3, "a", -5.0))


def test_each_partition_of_a_range_has_one_materialization_and_one_evaluation(
    graph: Graph,
) -> None:
    """Of Dagster's own results the evaluation has no partition, and partitions stay planned."""
    graph.read_inputs()

    result = graph.run(WEEK)

    assert result.success
    assert graph.records(WEEK) == [(day, "1", False) for day in DAYS]
    assert graph.checks(WEEK) == dict.fromkeys(DAYS, ("SUCCEEDED", True))


def test_the_data_version_of_a_partition_is_its_generation(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[1])
    graph.world.visits = graph.world.visits.filter(pl.col("visitor") == 1)
    graph.run("sources/visits", first=DAYS[1], last=DAYS[1])

    graph.run("sources/visits", last=DAYS[1])

    assert graph.records("sources/visits")[-2:] == [(DAYS[0], "2", False), (DAYS[1], "2", True)]


def test_a_repetition_commits_nothing_and_still_yields_its_output(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[1])
    graph.run(WEEK, last=DAYS[1])

    result = graph.run(WEEK, last=DAYS[1])

    assert result.success
    assert graph.records(WEEK)[2:] == [(DAYS[0], "1", True), (DAYS[1], "1", True)]
    assert graph.world.generations(graph.world.week) == {DAYS[0]: 1, DAYS[1]: 1}


def test_a_bad_partition_is_not_committed_and_the_last_good_one_stays(graph: Graph) -> None:
    """With Dagster's own checks the bad rows are in the table before the check sees them."""
    graph.read_inputs()
    graph.run(WEEK)
    before = graph.world.rows(graph.world.week, DAYS[4])
    add_bad_visit(graph, DAYS[4])
    graph.run_one("sources/visits", partition=DAYS[4])

    result = graph.run_one(WEEK, partition=DAYS[4])

    assert not result.success
    assert graph.world.rows(graph.world.week, DAYS[4]) == before
    assert graph.records(WEEK) == [(day, "1", False) for day in DAYS]
    assert graph.checks(WEEK) == {
        **dict.fromkeys(DAYS, ("SUCCEEDED", True)),
        DAYS[4]: ("FAILED", True),
    }


def test_in_a_range_the_good_partitions_commit_and_the_failed_ones_are_named(graph: Graph) -> None:
    add_bad_visit(graph, DAYS[4])
    graph.read_inputs()

    result = graph.run(WEEK)

    good = set(DAYS) - set(WINDOWS_OF_THE_FIFTH)
    assert not result.success
    assert set(graph.world.generations(graph.world.week)) == good
    assert {partition for partition, _, _ in graph.records(WEEK)} == good
    assert {day for day, (status, _) in graph.checks(WEEK).items() if status == "FAILED"} == set(
        WINDOWS_OF_THE_FIFTH
    )
    said = failure(result)
    assert "7 of 14 partitions were not committed" in said
    assert [day for day in DAYS if f"\n{day}: some of 3 rows break" in said] == list(
        WINDOWS_OF_THE_FIFTH
    )


def test_a_failed_partition_requests_nothing_downstream(graph: Graph) -> None:
    """With one check for all partitions, Dagster's gate opens for the bad ones once one passes."""
    at_first = graph.evaluate_automation()
    add_bad_visit(graph, DAYS[4])
    graph.read_inputs()
    before = graph.evaluate_automation(at_first)
    graph.run(WEEK)

    requested = graph.evaluate_automation(before).get_requested_partitions(
        dg.AssetKey(["offline", "visitor_rank"])
    )

    assert requested == set(DAYS) - set(WINDOWS_OF_THE_FIFTH)


def test_a_repaired_partition_is_committed_and_its_check_turns_green(graph: Graph) -> None:
    add_bad_visit(graph, DAYS[0])
    graph.read_inputs(last=DAYS[0])
    graph.run_one(WEEK, partition=DAYS[0])
    graph.world.visits = graph.world.visits.filter(pl.col("seconds") > 0)
    graph.run_one("sources/visits", partition=DAYS[0])

    result = graph.run_one(WEEK, partition=DAYS[0])

    assert result.success
    assert graph.checks(WEEK) == {DAYS[0]: ("SUCCEEDED", True)}


def test_a_partition_without_its_input_fails_with_the_remedy_and_without_a_verdict(
    graph: Graph,
) -> None:
    graph.read_inputs(last=DAYS[0])

    result = graph.run(WEEK, last=DAYS[1])

    assert "materialize sources/visits first" in failure(result)
    assert graph.world.generations(graph.world.week) == {DAYS[0]: 1}
    assert graph.checks(WEEK)[DAYS[0]] == ("SUCCEEDED", True)
    assert graph.checks(WEEK)[DAYS[1]][0] not in {"SUCCEEDED", "FAILED"}


def test_a_materialization_says_what_it_is_and_was_made_of(graph: Graph, tmp_path: Path) -> None:
    graph.read_inputs(last=DAYS[1])

    result = graph.run_one(WEEK, partition=DAYS[1])

    (event,) = result.asset_materializations_for_node("offline__visitor_week")
    metadata = {name: value.value for name, value in event.metadata.items()}
    assert {
        name: metadata[name]
        for name in ("dagster/partition_row_count", "generation", "table_version", "no_op")
    } == {
        "dagster/partition_row_count": 2,
        "generation": 1,
        "table_version": 1,
        "no_op": False,
    }
    assert metadata["dagster/table_name"] == "features/visitor_week/v1"
    assert (metadata["nulls"], metadata["nulls_by_column"]) == (0, {})
    (file,) = (tmp_path / "offline" / "features" / "visitor_week" / "v1").rglob("*.parquet")
    assert metadata["bytes"] == file.stat().st_size
    assert metadata["age_seconds"] == 12 * 86_400  # the clock stands at 2024-01-15
    assert metadata["partition_end"] == datetime(2024, 1, 3, tzinfo=UTC).timestamp()
    assert metadata["windows_are_complete"] is False
    assert "| sources/visits | 1 | 2: 2024-01-01..2024-01-02 |" in str(metadata["inputs"])
    assert metadata["dagster/column_schema"] == dg.TableSchema(
        columns=[
            dg.TableColumn("visitor", "Int64", constraints=_constraints()),
            dg.TableColumn("event_timestamp", "Datetime(time_unit='us', time_zone='UTC')"),
            dg.TableColumn(
                "visits_7d",
                "Int64",
                "Visits in 7 days.",
                _constraints("greater_than_or_equal_to(1)"),
            ),
            dg.TableColumn(
                "seconds_7d",
                "Float64",
                "Seconds in 7 days, weighted by page.",
                _constraints("greater_than_or_equal_to(0)"),
            ),
        ]
    )


def _constraints(*other: str) -> dg.TableColumnConstraints:
    return dg.TableColumnConstraints(nullable=False, unique=False, other=list(other))


def test_a_backfill_of_an_older_partition_does_not_make_the_age_greater(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[3])
    graph.run(WEEK, first=DAYS[3], last=DAYS[3])

    result = graph.run(WEEK, last=DAYS[1])

    events = result.asset_materializations_for_node("offline__visitor_week")
    assert {event.metadata["age_seconds"].value for event in events} == {10 * 86_400}


def test_assets_lead_to_the_code_that_their_authors_wrote(graph: Graph) -> None:
    nodes = graph.definitions.resolve_asset_graph()

    for asset, function in (
        ("offline/visitor_week", graph.world.week.function),
        ("online/visitor_week", graph.world.week.function),
        ("sources/visits", graph.world.source.reader),
        ("training_sets/returns", graph.world.training_set.function),
    ):
        metadata = nodes.get(dg.AssetKey(asset.split("/"))).metadata
        (reference,) = metadata["dagster/code_references"].code_references
        assert reference.file_path.endswith("tests/assets/visits.py")
        assert reference.line_number == function.__code__.co_firstlineno


def test_code_may_be_found_in_a_repository_instead(graph: Graph) -> None:
    definitions = [
        each for each in graph.definitions.assets or () if isinstance(each, dg.AssetsDefinition)
    ]

    linked = linked_to_git(definitions, "https://github.com/acme/features@main")

    (week,) = (each for each in linked if each.key == dg.AssetKey(["offline", "visitor_week"]))
    (reference,) = week.metadata_by_key[week.key]["dagster/code_references"].code_references
    line = graph.world.week.function.__code__.co_firstlineno
    assert reference.url == (
        f"https://github.com/acme/features/tree/main/tests/assets/visits.py#L{line}"
    )


def test_a_materialization_bears_the_lineage_of_its_columns(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[0])

    result = graph.run_one(WEEK, partition=DAYS[0])

    (event,) = result.asset_materializations_for_node("offline__visitor_week")
    lineage = event.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["seconds_7d"] == [
        dg.TableColumnDep(dg.AssetKey(["dimensions", "pages"]), "weight"),
        dg.TableColumnDep(dg.AssetKey(["sources", "visits"]), "seconds"),
    ]
    assert "| seconds_7d | pages.weight, visits.seconds |" in str(event.metadata["lineage"].value)


def test_the_table_of_lineage_says_what_is_opaque(graph: Graph) -> None:
    def judged(visits: pl.LazyFrame) -> pl.LazyFrame:
        page = pl.col("page").map_elements(str.upper, return_dtype=pl.String)
        return visits.select("visitor", event_timestamp="visited_at", page=page)

    lineage = lineage_of(replace(graph.world.last, function=judged))

    table = str(lineage["lineage"].value)
    assert "| page | visits.page (opaque) |" in table
    assert "| visitor | visits.visitor |" in table


def test_a_function_whose_lineage_cannot_be_derived_is_materialized_all_the_same(
    graph: Graph,
) -> None:
    def picky(visits: pl.LazyFrame) -> pl.LazyFrame:
        return pl.LazyFrame({"visitor": [visits.collect().item(0, "visitor")]})

    group = replace(graph.world.last, function=picky)

    (said,) = lineage_of(group).values()

    assert str(said.value).startswith("could not be derived")


def test_a_run_may_defer_publishing(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[0])

    graph.run(WEEK, last=DAYS[0], tags={PUBLISH_TAG: "deferred"})

    table = graph.world.deployment.offline.table(graph.world.week.table)
    assert table.snapshot().commits[DAYS[0]].publish == "deferred"


def test_a_training_set_is_recorded_with_its_receipt(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK)
    graph.run("offline/visitor_last")

    result = graph.run_one("training_sets/returns", partition=DAYS[9])

    assert result.success
    (event,) = result.asset_materializations_for_node("training_sets__returns")
    receipt = event.metadata["receipt"].value
    assert isinstance(receipt, dict)
    assert receipt["features"] == [
        "visitor_week@1:visits_7d",
        "visitor_last@1:page",
    ]
    lineage = event.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["visitor_last__page"] == [
        dg.TableColumnDep(dg.AssetKey(["offline", "visitor_last"]), "page")
    ]


def test_a_training_set_is_run_again_after_corrections(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK)
    graph.run("offline/visitor_last")
    store = graph.world.deployment.offline

    def run() -> tuple[int, str]:
        result = graph.run_one("training_sets/returns", partition=DAYS[9])
        (event,) = result.asset_materializations_for_node("training_sets__returns")
        receipt, generation = event.metadata["receipt"].value, event.metadata["generation"].value
        assert isinstance(receipt, dict)
        assert isinstance(generation, int)
        return generation, str(receipt["id"])

    first, repeated = run(), run()
    graph.world.add((DAYS[7], 1, "a", 1.0))
    graph.read_inputs()
    graph.run(WEEK)
    corrected = run()

    assert repeated == first
    assert [generation for generation, _ in (first, corrected)] == [1, 2]
    assert sorted(ReceiptStore(store).ids()) == sorted({first[1], corrected[1]})


def test_a_rule_that_warns_shows_as_a_warning_beside_committed_rows(tmp_path: Path) -> None:
    def with_a_lenient_week(world: World) -> None:
        world.week = replace(world.week, schema=LenientWeek)

    with graph_of(tmp_path, change=with_a_lenient_week) as graph:
        add_bad_visit(graph, DAYS[0])
        graph.read_inputs(last=DAYS[0])

        result = graph.run_one(WEEK, partition=DAYS[0])

        assert result.success
        assert graph.records(WEEK) == [(DAYS[0], "1", False)]
    evaluation = result.get_asset_check_evaluations()[0]
    assert evaluation.check_name == CHECK
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    breaches = str(evaluation.metadata["breaches"].value)
    assert "| greater_than_or_equal_to(0) | seconds_7d | 1 | warn |" in breaches


def test_a_failed_check_counts_quarantined_rows_and_shows_none_of_their_values(
    graph: Graph,
) -> None:
    add_bad_visit(graph, DAYS[0])
    graph.read_inputs(last=DAYS[0])

    result = graph.run_one(WEEK, partition=DAYS[0])

    (evaluation,) = result.get_asset_check_evaluations()
    shown = {name: value.value for name, value in evaluation.metadata.items()}
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert shown["quarantined_rows"] == 1
    assert "-5" not in str(shown) + str(evaluation.description)
