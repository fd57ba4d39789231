"""`online/…`: only what is committed is ever published, whatever is launched in whatever order."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import redis
from dagster._core.storage.tags import AUTOMATION_CONDITION_TAG

from headrace.assets.factory.online_check import ONLINE_CHECK
from headrace.assets.factory.steps import PUBLISH_TAG
from headrace.assets.publishing import publish_unpublished
from headrace.tests.assets.factory.graph import ONLINE_WEEK, WEEK, Graph, failure, graph_of
from headrace.tests.assets.visits import DAYS

pytestmark = pytest.mark.server


@pytest.fixture
def graph(tmp_path: Path, valkey_url: str) -> Iterator[Graph]:
    with graph_of(tmp_path, valkey_url) as made:
        yield made


def add_bad_visit(graph: Graph, day: str) -> None:
    graph.world.add((day, 3, "a", -5.0))


def published(result: dg.ExecuteInProcessResult) -> list[tuple[str | None, object]]:
    """What the online step recorded: partition and generation."""
    events = result.asset_materializations_for_node("online__visitor_week")
    return [(event.partition, event.metadata["generation"].value) for event in events]


def test_what_is_committed_is_published_in_the_same_run(graph: Graph) -> None:
    graph.read_inputs()

    result = graph.run(WEEK, ONLINE_WEEK)

    assert result.success
    assert published(result) == [(day, 1) for day in DAYS]
    assert graph.unpublished("visitor_week") == []


def test_online_alone_after_a_failed_check_publishes_the_last_good_commit(graph: Graph) -> None:
    """A blocking check acts inside one run alone: with Dagster's own the bad day is published."""
    graph.read_inputs()
    graph.run(WEEK)
    add_bad_visit(graph, DAYS[-1])
    graph.run_one("sources/visits", partition=DAYS[-1])
    graph.run_one(WEEK, partition=DAYS[-1])

    result = graph.run_one(ONLINE_WEEK, partition=DAYS[-1])

    assert result.success
    assert published(result) == [(DAYS[-1], 1)]
    assert graph.verify("visitor_week") == (2, [])


def test_online_alone_publishes_nothing_where_nothing_was_ever_committed(graph: Graph) -> None:
    add_bad_visit(graph, DAYS[-1])
    graph.read_inputs()
    graph.run_one(WEEK, partition=DAYS[-1])

    result = graph.run_one(ONLINE_WEEK, partition=DAYS[-1])

    assert result.success
    assert published(result) == []
    assert graph.records(ONLINE_WEEK) == []


def test_a_failed_partition_keeps_online_from_the_bad_rows_in_its_own_run(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK, ONLINE_WEEK)
    add_bad_visit(graph, DAYS[-1])
    graph.run_one("sources/visits", partition=DAYS[-1])

    result = graph.run_one(WEEK, ONLINE_WEEK, partition=DAYS[-1])

    assert not result.success
    assert published(result) == []
    assert graph.verify("visitor_week") == (2, [])


def test_what_a_failing_range_committed_is_published_by_the_command(graph: Graph) -> None:
    """Dagster skips `online` in a run with failures."""
    add_bad_visit(graph, DAYS[4])
    graph.read_inputs()
    result = graph.run(WEEK, ONLINE_WEEK)
    left = graph.unpublished("visitor_week")

    done = publish_unpublished(graph.world.declarations, graph.world.deployment)

    assert "7 of 14 partitions" in failure(result)
    assert published(result) == []
    assert left == [*DAYS[:4], *DAYS[11:]]
    assert [publication.partition for publication in done] == left
    assert graph.unpublished("visitor_week") == []
    assert graph.verify("visitor_week") == (2, [])


def test_a_repetition_repairs_an_online_store_that_was_flushed(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK, ONLINE_WEEK)
    graph.flush()

    result = graph.run(WEEK, ONLINE_WEEK)

    assert result.success
    assert graph.records(WEEK)[-1] == (DAYS[-1], "1", True)
    assert graph.verify("visitor_week") == (2, [])


def test_deferred_commits_wait_for_somebody_to_launch_online(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK, tags={PUBLISH_TAG: "deferred"})

    by_command = publish_unpublished(graph.world.declarations, graph.world.deployment)
    by_automation = graph.run(ONLINE_WEEK, tags={AUTOMATION_CONDITION_TAG: "true"})
    by_somebody = graph.run(ONLINE_WEEK)

    assert by_command == []
    assert published(by_automation) == []
    assert published(by_somebody) == [(day, 1) for day in DAYS]


def test_publishing_a_group_tells_the_server_of_the_services_that_read_it(graph: Graph) -> None:
    graph.read_inputs(last=DAYS[0])

    graph.run(WEEK, ONLINE_WEEK, last=DAYS[0])

    with graph.world.deployment.publishing() as publishing:
        assert set(publishing.registry.manifest().services) == {"page_to_show"}


def test_a_store_that_is_gone_fails_the_step_and_not_the_commit(tmp_path: Path) -> None:
    with graph_of(tmp_path, "redis://127.0.0.1:1") as graph:
        graph.read_inputs(last=DAYS[0])

        result = graph.run(WEEK, ONLINE_WEEK, last=DAYS[0])

        assert "StoreUnavailableError" in failure(result)
        assert graph.world.generations(graph.world.week) == {DAYS[0]: 1}


def check_metadata(graph: Graph, asset: str, partition: str) -> dict[str, object]:
    """What the newest evaluation of a partition says."""
    key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), ONLINE_CHECK)
    records = graph.instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    events = [record.event for record in records]
    found = [event.asset_check_evaluation for event in events if event is not None]
    (newest, *_) = [each for each in found if each is not None and each.partition == partition]
    return {name: value.value for name, value in newest.metadata.items()}


def test_each_published_partition_is_checked_against_the_offline_table(graph: Graph) -> None:
    graph.read_inputs()

    assert graph.run(WEEK, ONLINE_WEEK, "offline/visitor_last", "online/visitor_last").success

    for asset in (ONLINE_WEEK, "online/visitor_last"):
        checks = graph.checks(asset, ONLINE_CHECK)
        assert checks == dict.fromkeys(DAYS, ("SUCCEEDED", True))
    newest = check_metadata(graph, ONLINE_WEEK, DAYS[-1])
    assert newest["partition_is_served"] is True
    assert (newest["equal"], newest["differing"], newest["missing"], newest["extra"]) == (
        2,
        0,
        0,
        0,
    )
    assert (newest["consistency"], newest["consistency_low"]) == (1.0, 1.0)
    assert check_metadata(graph, ONLINE_WEEK, DAYS[0]) == {"partition_is_served": False}
    assert check_metadata(graph, "online/visitor_last", DAYS[0])["partition_is_served"] is True


def test_the_check_is_red_where_a_row_was_changed_behind_our_back(graph: Graph) -> None:
    graph.read_inputs()
    graph.run(WEEK, ONLINE_WEEK)
    assert graph.world.environment.redis is not None
    with redis.Redis.from_url(graph.world.environment.redis) as client:
        (changed, *_) = client.scan_iter(match=b"{??}*")
        row = client.get(changed)
        assert isinstance(row, bytes)
        client.set(changed, row[:-1] + bytes([row[-1] ^ 1]))

    result = graph.run_one(ONLINE_WEEK, partition=DAYS[-1])

    assert result.success
    assert graph.checks(ONLINE_WEEK, ONLINE_CHECK)[DAYS[-1]] == ("FAILED", True)
    found = check_metadata(graph, ONLINE_WEEK, DAYS[-1])
    assert (found["equal"], found["differing"], found["consistency"]) == (1, 1, 0.5)
