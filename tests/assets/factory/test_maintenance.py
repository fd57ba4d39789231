from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import redis

from headrace.tests.assets.factory.graph import WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS
from headrace.tests.resources.offline.maintenance.scattering import scatter

MAINTENANCE = "maintenance/visitor_week"


@pytest.fixture
def graph(tmp_path: Path, valkey_url: str) -> Iterator[Graph]:
    with graph_of(tmp_path, valkey_url) as graph:
        graph.read_inputs(last=DAYS[1])
        graph.run(WEEK, last=DAYS[1])
        yield graph


def metadata(graph: Graph) -> dict[str, object]:
    """What the newest maintenance of the week recorded."""
    key = dg.AssetKey(MAINTENANCE.split("/"))
    (record,) = graph.instance.fetch_materializations(key, limit=1).records
    assert record.asset_materialization is not None
    return {name: each.value for name, each in record.asset_materialization.metadata.items()}


@pytest.mark.server
def test_maintenance_is_an_asset_of_its_own_and_says_what_it_did(graph: Graph) -> None:
    table = graph.world.deployment.offline.table(graph.world.week.table)
    scatter(table, DAYS[0], pieces=2)

    assert graph.run_one(MAINTENANCE, partition=None).success

    found = metadata(graph)
    assert (found["files_before"], found["files_after"], found["slices_compacted"]) == (3, 2, 1)
    assert (found["files_removed"], found["versions_kept"]) == (
        0,
        "the newest and recent ones alone",
    )
    assert {"bytes_before", "bytes_after", "bytes_removed", "seconds", "checkpoint"} <= set(found)


@pytest.mark.server
def test_what_is_not_known_to_be_needless_stays_and_the_asset_says_why(
    tmp_path: Path, valkey_url: str
) -> None:
    with graph_of(tmp_path, valkey_url) as graph:
        graph.read_inputs(last=DAYS[0])
        graph.run(WEEK, "online/visitor_week", last=DAYS[0])
        graph.flush()

        assert graph.run_one(MAINTENANCE, partition=None).success

        assert "files_removed" not in metadata(graph)
        assert str(metadata(graph)["versions_kept"]).startswith(
            "all: it is not known how far namespace 'default' is published"
        )


def test_maintenance_waits_for_the_writer_of_its_table_and_no_automation_asks_for_it(
    tmp_path: Path,
) -> None:
    with graph_of(tmp_path) as graph:
        assets = graph.definitions.resolve_asset_graph()
        keys = [each for each in assets.get_all_asset_keys() if each.path[0] == "maintenance"]

        assert {"/".join(key.path): assets.get(key).pools for key in sorted(keys)} == {
            "maintenance/dimensions/pages": {"dimensions/pages"},
            "maintenance/online_store": {"maintenance/online_store"},
            "maintenance/sources/visits": {"sources/visits"},
            "maintenance/training_sets/returns": {"training_sets/returns"},
            "maintenance/visitor_last": {"offline/visitor_last"},
            "maintenance/visitor_rank": {"offline/visitor_rank"},
            "maintenance/visitor_week": {"offline/visitor_week"},
        }
        assert all(assets.get(key).automation_condition is None for key in keys)
        assert all(not assets.get(key).parent_keys for key in keys)
        assert all(not assets.get(key).child_keys for key in keys)


@pytest.mark.server
def test_rows_that_nobody_reads_are_collected_by_an_asset(tmp_path: Path, valkey_url: str) -> None:
    with graph_of(tmp_path, valkey_url) as graph:
        graph.read_inputs(last=DAYS[1])
        graph.run(WEEK, "online/visitor_week", last=DAYS[0])
        graph.run(WEEK, "online/visitor_week", last=DAYS[1])
        with redis.Redis.from_url(valkey_url) as client:
            rows = list(client.scan_iter(match=b"{??}*"))
            client.set(rows[0][:6] + bytes(8), client.get(rows[0]))  # of an unknown visitor
            before = client.dbsize()

            assert graph.run_one("maintenance/online_store", partition=None).success

            assert client.dbsize() < before
        key = dg.AssetKey(["maintenance", "online_store"])
        (record,) = graph.instance.fetch_materializations(key, limit=1).records
        assert record.asset_materialization is not None
        found = {name: each.value for name, each in record.asset_materialization.metadata.items()}
        assert found["of_unknown_entities"] == 1
        assert found["rows_looked_at"] == len(rows) + 1
        assert found["whole_store"] is True
