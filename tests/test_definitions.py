"""What Dagster loads."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from headrace.contract.clock import move_clock
from headrace.contract.environment import Environment
from headrace.definitions import build_definitions
from headrace.tests.asset_graph import SNAPSHOT, asset_graph
from headrace.tests.assets.factory.test_sixth_group import ONE_FILE as GROUP

ROOT = Path(__file__).parents[1]
SPEND = dg.AssetKey(["offline", "household_spend"])


def environment_at(home: Path, clock: str) -> Environment:
    return Environment.read({"HEADRACE_HOME": str(home), "HEADRACE_CLOCK": clock})


def last_partition(environment: Environment) -> str | None:
    graph = build_definitions(environment).resolve_asset_graph()
    partitions = graph.get(SPEND).partitions_def
    assert partitions is not None
    return partitions.get_last_partition_key()


def test_the_asset_graph_is_as_reviewed(tmp_path: Path) -> None:
    """A change that is meant: `python -m headrace.tests.asset_graph`, and review what differs."""
    assert asset_graph(tmp_path) == SNAPSHOT.read_text()


def test_the_definitions_load(tmp_path: Path) -> None:
    environment = environment_at(tmp_path, "2018-01-02T00:00:00Z")

    dg.Definitions.validate_loadable(build_definitions(environment))


def test_a_package_of_a_team_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "team_features"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "household_trips.py").write_text(GROUP.replace("..", "headrace.assets."))
    monkeypatch.syspath_prepend(str(tmp_path))

    environment = Environment.read(
        {"HEADRACE_HOME": str(tmp_path / "home"), "HEADRACE_PACKAGES": "team_features"}
    )

    keys = build_definitions(environment).resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey(["offline", "household_trips"]) in keys


def test_partitions_end_where_a_frozen_clock_stands(tmp_path: Path) -> None:
    assert last_partition(environment_at(tmp_path, "2017-06-01T15:00:00Z")) == "2017-05-31"


def test_moving_the_clock_makes_partitions_when_definitions_are_loaded_again(
    tmp_path: Path,
) -> None:
    environment_at(tmp_path, "2017-06-01T00:00:00Z").clock()

    move_clock(tmp_path, datetime(2017, 6, 3, tzinfo=UTC))

    joined = Environment.read({"HEADRACE_HOME": str(tmp_path)})
    assert last_partition(joined) == "2017-06-02"


def test_a_home_may_be_older_than_all_history(tmp_path: Path) -> None:
    assert last_partition(environment_at(tmp_path, "2001-01-01T00:00:00Z")) is None


def test_the_workspace_is_valid_from_any_folder(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "dagster"),
            *("definitions", "validate", "-w", ROOT / "workspace.yaml"),
        ],
        cwd=tmp_path,
        env={**os.environ, "HEADRACE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert "All code locations passed validation" in ran.stdout + ran.stderr


LANDING = """
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import EventTimestamp, source


class Orders(pa.DataFrameModel):
    at: EventTimestamp


@source(schema=Orders, event_timestamp="at", start="2024-01-01", owners=["team:x"],
        landing="/in/{partition}.csv")
def landed(start: datetime, end: datetime) -> pl.LazyFrame:
    raise NotImplementedError


@source(schema=Orders, event_timestamp="at", start="2024-01-01", owners=["team:x"],
        late_within=timedelta(days=3))
def asked(start: datetime, end: datetime) -> pl.LazyFrame:
    raise NotImplementedError
"""


def test_a_source_is_read_when_its_files_arrive_or_else_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "team_sources"
    package.mkdir()
    (package / "__init__.py").write_text(LANDING)
    monkeypatch.syspath_prepend(str(tmp_path))

    home = {"HEADRACE_HOME": str(tmp_path / "home"), "HEADRACE_PACKAGES": "team_sources"}
    repository = build_definitions(Environment.read(home)).get_repository_def()

    assert repository.has_sensor_def("arrivals_of_landed")
    assert repository.has_sensor_def("late_data")
    assert not repository.has_sensor_def("arrivals_of_asked")
    assert repository.has_schedule_def("read_asked")
    assert not repository.has_schedule_def("read_landed")
