"""Adding a feature group is adding one file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[3]

ONE_FILE = '''
"""How often a household shops."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from ..authoring import feature_group, trailing
from ..entities import HOUSEHOLD
from ..sources.transactions import transactions


class HouseholdTrips(pa.DataFrameModel):
    """One row per household with a purchase in the last 2 days."""

    household_id: int
    trips_2d: int = pa.Field(ge=1)


@feature_group(
    entity=HOUSEHOLD,
    schema=HouseholdTrips,
    sources=[trailing(transactions, days=2)],
    ttl=timedelta(days=3),
    owners=["team:growth"],
)
def household_trips(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Baskets of a household over 2 days."""
    trips = pl.col("basket_id").n_unique().cast(pl.Int64)
    return transactions.group_by("household_id").agg(trips_2d=trips)
'''

USE = """
import asyncio, json, sys
import dagster as dg
import headrace
from headrace.contract.environment import Environment
from headrace.definitions import build_definitions
from headrace.serving.client import AsyncFeatureClient
from headrace.serving.settings import Settings
from headrace.serving.transports.aio import AioServer

environment = Environment.read()
definitions = build_definitions(environment)
graph = definitions.resolve_asset_graph()
keys = [key.to_user_string() for key in graph.get_all_asset_keys() if "trips" in key.path[1]]
checks = sorted(key.name for key in graph.asset_check_keys if "trips" in key.asset_key.path[1])
job = definitions.resolve_implicit_global_asset_job_def()

def run(instance, assets, first, last):
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    selection = [dg.AssetKey(asset.split("/")) for asset in assets]
    return job.execute_in_process(instance=instance, asset_selection=selection, tags=tags)

with dg.DagsterInstance.ephemeral() as instance:
    run(instance, ["sources/transactions"], "2017-12-30", "2018-01-01")
    computed = sorted(key for key in keys if key.startswith("o"))
    ran = run(instance, computed, "2018-01-01", "2018-01-01")

async def look_up():
    server = AioServer(Settings.of(environment, bind="127.0.0.1:0"))
    address = await server.start()
    async with AsyncFeatureClient(address) as client:
        answer = await client.get_online_features(
            features=["household_trips:trips_2d"], entities={"household_id": [920, 2]}
        )
    await server.stop()
    return answer.to_dicts()

found = {
    "where": headrace.__file__,
    "keys": sorted(keys),
    "checks": checks,
    "passed": [each.passed for each in ran.get_asset_check_evaluations()],
    "looked_up": asyncio.run(look_up()),
}
print("\\n" + json.dumps(found))
"""


@pytest.mark.server
def test_a_sixth_group_is_one_file(tmp_path: Path, valkey_url: str) -> None:
    """Dropped into a copy of the tree, it has assets and checks, is published and looked up."""
    copy = tmp_path / "headrace"
    ignored = ignore_patterns(".*", "__pycache__", "node_modules", "*.egg-info", "tests")
    copytree(ROOT, copy, ignore=ignored)
    (copy / "assets" / "feature_groups" / "household_trips.py").write_text(ONE_FILE)

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", USE],
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "HEADRACE_HOME": str(tmp_path / "home"),
            "HEADRACE_CLOCK": "2018-01-02T00:00:00Z",
            "HEADRACE_REDIS": valkey_url,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found == {
        "where": str(copy / "__init__.py"),
        "keys": [
            "iceberg/household_trips",
            "maintenance/household_trips",
            "offline/household_trips",
            "online/household_trips",
        ],
        "checks": [
            "freshness",
            "freshness",
            "online_is_complete",
            "online_matches_offline",
            "rows_keep_their_rules",
        ],
        "passed": [True] * 5,
        "looked_up": [
            {"household_id": 920, "household_trips__trips_2d": 5},
            {"household_id": 2, "household_trips__trips_2d": None},
        ],
    }
