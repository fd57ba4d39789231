import sys
from pathlib import Path

import dagster as dg
import pytest

from headrace.resources.iceberg.catalog import open_catalog
from headrace.tests.assets.factory.graph import WEEK, Graph, graph_of

ICEBERG_WEEK = "iceberg/visitor_week"


def test_an_export_is_an_asset_with_records_of_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with graph_of(tmp_path / "home") as graph:
        graph.read_inputs()
        assert graph.run(WEEK).success

        assert graph.run_one(ICEBERG_WEEK, partition=None).success
        assert graph.run_one(ICEBERG_WEEK, partition=None).success

        committed = _committed_rows(graph)
        with open_catalog(graph.world.environment, graph.world.deployment.offline) as catalog:
            table = catalog.load_table("headrace.visitor_week")
            assert table.scan().count() == committed
        first, again = _materializations(graph)
        assert first.metadata["dagster/row_count"].value == committed
        assert first.metadata["no_op"].value is False
        assert again.metadata["no_op"].value is True
        assert [version for _, version, _ in graph.records(ICEBERG_WEEK)] == ["1", "1"]


def test_an_export_that_is_not_installed_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("headrace.resources.iceberg.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog", None)
    with graph_of(tmp_path) as graph:
        run = graph.run_one(ICEBERG_WEEK, partition=None)

    (failed,) = run.get_step_failure_events()
    error = failed.step_failure_data.error
    assert error is not None
    assert "exports need pyiceberg: pip install 'headrace[iceberg]'" in error.message


def _committed_rows(graph: Graph) -> int:
    group = graph.world.declarations.group("visitor_week")
    commits = graph.world.deployment.offline.table(group.table).snapshot().commits
    return sum(commit.rows for commit in commits.values())


def _materializations(graph: Graph) -> list[dg.AssetMaterialization]:
    key = dg.AssetKey(ICEBERG_WEEK.split("/"))
    found = graph.instance.fetch_materializations(key, limit=10, ascending=True).records
    return [each.asset_materialization for each in found if each.asset_materialization is not None]
