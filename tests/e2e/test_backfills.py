"""Backfills of a home that are killed, and go on."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace.assets.materialization import materialize
from headrace.assets.outcomes import Run
from headrace.cli.addresses import free_port
from headrace.cli.installation import Installation
from headrace.cli.reach import listens
from headrace.resources.online.local_valkey import LocalValkey
from headrace.tests.e2e.homes import PACKAGE, ShopHome, shop_home
from headrace.tests.e2e.shop import orders

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(1800)]

HEADRACE = Path(sys.executable).with_name("headrace")
DAYS = [f"{datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day):%Y-%m-%d}" for day in range(152)]
TRAIL = ("materialize", "customer_trail", "--partitions", f"{DAYS[0]}..{DAYS[-1]}")
UNFINISHED = {"REQUESTED", "CANCELING", "FAILING"}


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[ShopHome]:
    """An order every day from January to May, and no clock after that."""
    home = shop_home(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("HEADRACE_PACKAGES", f"{PACKAGE} headrace.tests.e2e.fragile_shop")
    monkeypatch.setenv("HEADRACE_CLOCK", "2024-06-01T00:00:00Z")
    rows = [f"{place % 3},{day}T10:00:00Z,{place}.5" for place, day in enumerate(DAYS)]
    home.write_orders("\n".join(["customer_id,ordered_at,amount", *rows, ""]))
    yield home
    with LocalValkey(home.environment):
        """The last to leave stops the server, which outlives whoever is killed."""


def die_at(shop: ShopHome, end: str) -> Path:
    """Let the process die that computes the partition which ends then."""
    mark = shop.folder / "orders" / f"die-{end}"
    mark.touch()
    return mark


def generations() -> dict[str, int]:
    """What is committed of the group."""
    installation = Installation.open()
    commits = installation.table(installation.group("customer_trail")).snapshot().commits
    return {key: commit.generation for key, commit in commits.items()}


def test_a_killed_command_continues_where_it_stopped(shop: ShopHome) -> None:
    die_at(shop, "2024-04-10")
    killed = subprocess.run([HEADRACE, *TRAIL], capture_output=True, check=False)
    committed = generations()

    again = subprocess.run([HEADRACE, *TRAIL], capture_output=True, text=True, check=False)

    assert killed.returncode == -signal.SIGKILL
    assert list(committed) == DAYS[: len(committed)]
    assert 64 <= len(committed) < 100
    assert again.returncode == 0, again.stderr
    assert "152 of 152 partitions committed" in again.stdout
    assert generations() == dict.fromkeys(DAYS, 1)
    runs = shop.headrace("status", "--json").json["runs"]
    assert {run["status"] for run in runs} == {"SUCCESS", "FAILURE"}


def test_a_backfill_of_the_interface_survives_whatever_is_killed(shop: ShopHome) -> None:
    """One run dies and is launched again; then everything is killed, and started again."""
    installation = Installation.open()
    read = materialize(orders, DAYS, Run(installation.deployment.offline, "before"))
    assert all(outcome.commit for outcome in read)
    mark = die_at(shop, "2024-02-10")
    with up(shop) as ask:
        backfill = ask(BACKFILL, **backfill_of("offline/customer_trail", "online/customer_trail"))
        name = backfill["launchPartitionBackfill"]["backfillId"]
        wait(lambda: len(generations()) >= 64)
    during = len(generations())
    with up(shop) as ask:
        wait(lambda: ask(STATUS, id=name)["partitionBackfillOrError"]["status"] not in UNFINISHED)
        ended = ask(STATUS, id=name)["partitionBackfillOrError"]["status"]
        runs = ask(RUNS)["runsOrError"]["results"]

    assert not mark.exists()
    assert 64 <= during < len(DAYS)
    assert ended == "COMPLETED_SUCCESS"
    assert generations() == dict.fromkeys(DAYS, 1)
    chunks = [run for run in runs if tags(run).get("dagster/backfill") == name]
    assert len(chunks) <= 6, "three chunks, of which some died"


BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on PartitionSetNotFoundError { message }
  }
}"""
STATUS = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""
RUNS = """
query { runsOrError(limit: 100) { ... on Runs { results {
  runId status startTime tags { key value }
} } } }"""

Ask = Callable[..., dict[str, Any]]


def backfill_of(*assets: str) -> dict[str, Any]:
    selection = [{"path": asset.split("/")} for asset in assets]
    return {"params": {"assetSelection": selection, "partitionNames": DAYS}}


def tags(run: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}


@contextmanager
def up(shop: ShopHome) -> Iterator[Ask]:
    """`headrace up`, killed at the end with all that it started."""
    server, dagster = (f"127.0.0.1:{free_port()}" for _ in range(2))
    log = shop.folder / "up.log"
    with log.open("w") as output:
        started = subprocess.Popen(
            [HEADRACE, "up", "--bind", server, "--dagster", dagster],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait(lambda: "Stop with Ctrl-C" in log.read_text(), started)
        yield lambda query, **variables: _asked(dagster, query, variables)
    finally:
        kill(started.pid)
        started.wait()
        wait(lambda: not listens(dagster))  # its own process, which may die a moment later


def _asked(address: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://{address}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        found = json.load(error)
    assert not found.get("errors"), found["errors"]
    data: dict[str, Any] = found["data"]
    return data


def kill(pid: int) -> None:
    """Kill a process and all that it started, the youngest last."""
    children = _children(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in children:
        kill(child)


def _children(pid: int) -> Sequence[int]:
    with suppress(FileNotFoundError):
        tasks = Path("/proc", str(pid), "task").iterdir()
        return [int(each) for task in tasks for each in (task / "children").read_text().split()]
    return []


def wait(is_so: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 1200
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        assert process is None or process.poll() is None, "it ended by itself"
        time.sleep(0.2)
