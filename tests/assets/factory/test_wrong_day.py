"""A wrong day is published nowhere.

Dagster's checks have traps through which one would be. Each is shown twice: in plain Dagster, where
the wrong day comes through (a release that closes the trap fails the test, and our guard may go),
and in our graph, where it does not.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from headrace.assets.verdicts import judge
from headrace.tests.assets.factory.graph import ONLINE_WEEK, WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS, World

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")]

RANK = "offline/visitor_rank"
WRONG = DAYS[2]
PLAIN_DAYS = dg.DailyPartitionsDefinition(DAYS[0], end_date=DAYS[4])


@pytest.fixture
def graph(tmp_path: Path, valkey_url: str) -> Iterator[Graph]:
    """Three days computed and published, of which the third then turns out wrong."""
    with graph_of(tmp_path, valkey_url) as made:
        made.read_inputs(last=WRONG)
        assert made.run(WEEK, ONLINE_WEEK, RANK, last=WRONG).success
        made.world.add((WRONG, 3, "a", -5.0))
        made.run_one("sources/visits", partition=WRONG)
        yield made


def visitors(world: World) -> list[object]:
    """Whom the wrong day's committed rows are about; the wrong one is visitor 3."""
    return [row[0] for row in world.rows(world.week, WRONG)]


def plain_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, *assets: str, first: str, last: str
) -> bool:
    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    job = definitions.resolve_implicit_global_asset_job_def()
    selection = [dg.AssetKey(asset) for asset in assets]
    result = job.execute_in_process(
        instance=instance, asset_selection=selection, tags=tags, raise_on_error=False
    )
    return result.success


def plain_graph(written: set[str], published: set[str], *, partitioned: bool) -> dg.Definitions:
    """Dagster as it comes: a table, a blocking check that refuses the wrong day, a publication."""

    @dg.asset(partitions_def=PLAIN_DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def table(context: dg.AssetExecutionContext) -> None:
        written.update(context.partition_keys)

    @dg.asset_check(asset=table, blocking=True, partitions_def=PLAIN_DAYS if partitioned else None)
    def is_right(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        start = context.run.tags[ASSET_PARTITION_RANGE_START_TAG]
        end = context.run.tags[ASSET_PARTITION_RANGE_END_TAG]
        return dg.AssetCheckResult(passed=not start <= WRONG <= end)

    @dg.asset(
        deps=[table],
        partitions_def=PLAIN_DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=dg.AutomationCondition.eager().without(
            dg.AutomationCondition.in_latest_time_window()
        )
        & dg.AutomationCondition.all_deps_blocking_checks_passed(),
    )
    def publication(context: dg.AssetExecutionContext) -> None:
        published.update(context.partition_keys)

    return dg.Definitions(
        assets=[table, publication], asset_checks=[is_right], executor=dg.in_process_executor
    )


def test_plain_blocking_ends_with_its_run() -> None:
    written, published = set[str](), set[str]()
    plain = plain_graph(written, published, partitioned=True)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not plain_run(plain, instance, "table", first=WRONG, last=WRONG)
        assert plain_run(plain, instance, "publication", first=WRONG, last=WRONG)

    assert published == {WRONG}


def test_a_publish_in_another_run_publishes_what_was_right(graph: Graph) -> None:
    """Defends against `blocking`, which stops downstream steps of its own run alone."""
    assert not graph.run_one(WEEK, partition=WRONG).success

    published = graph.run_one(ONLINE_WEEK, partition=WRONG)

    assert published.success
    assert graph.verify("visitor_week") == (2, [])
    assert visitors(graph.world) == [1, 2]


def test_a_plain_check_without_partitions_forgets_the_wrong_day_once_another_passes() -> None:
    plain = plain_graph(set(), set(), partitioned=False)
    key = dg.AssetKey("publication")
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(plain, instance)
        for day in DAYS[1:4]:
            plain_run(plain, instance, "table", first=day, last=day)
        after = dg.evaluate_automation_conditions(plain, instance, cursor=before.cursor)

    assert WRONG in after.get_requested_partitions(key)


def test_automation_asks_for_nothing_on_the_wrong_day_whatever_passes_after_it(
    graph: Graph,
) -> None:
    """Defends against a check without partitions, whose newest result stands for all of them."""
    graph.world.add((DAYS[3], 3, "a", 10.0))  # which makes the next day's sum a right one
    graph.read_inputs(first=DAYS[3], last=DAYS[3])
    before = graph.evaluate_automation()
    assert not graph.run_one(WEEK, partition=WRONG).success
    assert graph.run_one(WEEK, partition=DAYS[3]).success

    after = graph.evaluate_automation(before)

    for asset in (ONLINE_WEEK, RANK):
        requested = after.get_requested_partitions(dg.AssetKey(asset.split("/")))
        assert requested == {DAYS[3]}


def test_a_plain_range_records_one_result_for_all_its_partitions() -> None:
    plain = plain_graph(set(), set(), partitioned=True)
    check = dg.AssetCheckKey(dg.AssetKey("table"), "is_right")
    with dg.DagsterInstance.ephemeral() as instance:
        plain_run(plain, instance, "table", first=DAYS[1], last=DAYS[3])
        found = instance.event_log_storage.get_asset_check_partition_info([check])

    statuses = {each.partition_key: each.latest_execution_status.value for each in found}
    planned: dict[str | None, str] = dict.fromkeys(DAYS[1:4], "PLANNED")
    assert statuses == {None: "FAILED", **planned}


def test_in_a_range_the_wrong_day_alone_is_marked_and_kept_back(graph: Graph) -> None:
    """Defends against range runs, whose one evaluation has no partition."""
    graph.read_inputs(first=DAYS[3], last=DAYS[3])

    assert not graph.run(WEEK, ONLINE_WEEK, last=WRONG).success

    statuses = {day: status for day, (status, _) in graph.checks(WEEK).items()}
    assert statuses == {DAYS[0]: "SUCCEEDED", DAYS[1]: "SUCCEEDED", WRONG: "FAILED"}
    assert visitors(graph.world) == [1, 2]
    assert graph.verify("visitor_week") == (2, [])


def test_a_plain_check_finds_the_wrong_day_when_it_is_written() -> None:
    written = set[str]()
    plain = plain_graph(written, set(), partitioned=True)
    with dg.DagsterInstance.ephemeral() as instance:
        plain_run(plain, instance, "table", first=WRONG, last=WRONG)
        materialized = instance.get_materialized_partitions(dg.AssetKey("table"))

    assert (written, materialized) == ({WRONG}, {WRONG})


def test_the_wrong_day_is_in_no_table_and_has_no_materialization(graph: Graph) -> None:
    """Defends against checks that run after the write, when readers see the rows already."""
    recorded = graph.records(WEEK)

    graph.run_one(WEEK, partition=WRONG)

    assert visitors(graph.world) == [1, 2]
    assert graph.records(WEEK) == recorded
    assert graph.world.generations(graph.world.week)[WRONG] == 1


class Positive(pa.DataFrameModel):
    """A rule about values."""

    value: int = pa.Field(ge=0)


def test_pandera_passes_wrong_values_of_a_frame_that_is_not_collected() -> None:
    wrong = pl.LazyFrame({"value": [-1]})

    assert Positive.validate(wrong, lazy=True).collect().item() == -1


def test_a_verdict_is_about_values() -> None:
    """Defends against a LazyFrame, of which pandera looks at the schema alone."""
    assert not judge(Positive, pl.DataFrame({"value": [-1]})).verdict.passed
