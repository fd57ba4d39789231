"""Adding a feature group is adding one file: the README's walk-through, in a copy."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
NOT_COPIED = ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "docs", "node_modules", "tests"
)
WALK = """
import json, sys
import dagster as dg
from headrace.cli.application import run
from headrace.contract.environment import Environment
from headrace.definitions import build_definitions

graph = build_definitions(Environment.read()).resolve_asset_graph()
keys = [key for key in graph.get_all_asset_keys() if key.path[-1] == "household_evenings"]
print(json.dumps({
    "assets": sorted(key.to_user_string() for key in keys),
    "checks": sorted(check.to_user_string() for check in graph.asset_check_keys
                     if check.asset_key in keys),
}))
for arguments in (
    ["materialize", "household_evenings", "--partitions", "2018-01-01", "--json"],
    ["lookup", "household_evenings", "household_id=1", "--json"],
    ["verify", "household_evenings", "--json"],
):
    if status := run(arguments):
        sys.exit(status)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in another folder, with the README's group and its test from the how-to."""
    folder = tmp_path_factory.mktemp("sixth")
    package = copytree(ROOT, folder / "headrace", ignore=NOT_COPIED)
    group = _python("README.md", "@feature_group")
    test = _python("docs/how-to/adding-a-feature-group.md", "def test_")
    (package / "assets" / "feature_groups" / "household_evenings.py").write_text(group)
    (folder / "test_household_evenings.py").write_text(test)
    return folder


def test_the_readmes_group_needs_one_file_to_be_computed_checked_published_and_looked_up(
    copy: Path,
) -> None:
    ended = _run(copy, "-c", WALK)

    assert ended.returncode == 0, ended.stderr
    graph, made, found, verified = map(json.loads, ended.stdout.splitlines())
    assert graph == {
        "assets": [
            "iceberg/household_evenings",
            "maintenance/household_evenings",
            "offline/household_evenings",
            "online/household_evenings",
        ],
        "checks": [
            "offline/household_evenings:freshness",
            "offline/household_evenings:rows_keep_their_rules",
            "online/household_evenings:freshness",
            "online/household_evenings:online_is_complete",
            "online/household_evenings:online_matches_offline",
        ],
    }
    assert [each["rows"] for each in made["partitions"]] == [1244]
    features = found["entities"][0]["features"]
    assert features["household_evenings__evening_share_7d"]["value"] == 1.0
    assert verified["verified"]
    assert verified["groups"][0]["equal"] == 1244


def test_its_test_passes(copy: Path) -> None:
    ended = _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_household_evenings.py")

    assert "1 passed" in ended.stdout, ended.stdout


def _python(page: str, marker: str) -> str:
    """The one Python block of a page that holds the marker."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )
    (found,) = (block for block in blocks if marker in block)
    return str(found)


def _run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where `headrace` is the copy."""
    variables = {
        "PYTHONPATH": str(copy),
        "HEADRACE_HOME": str(copy / "home"),
        "HEADRACE_CLOCK": "2018-01-02T00:00:00Z",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
