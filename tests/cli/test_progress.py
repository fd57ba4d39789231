"""What a command sees of a run while it goes on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace.cli.dagster_runs import DagsterRuns
from headrace.cli.installation import Installation
from headrace.cli.run_plan import plan_runs
from headrace.tests.e2e.homes import shop_home
from headrace.tests.e2e.shop import orders

DAYS = [f"{datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day):%Y-%m-%d}" for day in range(40)]


def test_each_partition_is_seen_when_it_is_committed_not_when_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_home(tmp_path, monkeypatch)
    monkeypatch.setenv("HEADRACE_CLOCK", "2024-03-01T00:00:00Z")
    installation = Installation.open()
    committed: list[int] = []
    (planned,) = plan_runs({orders: DAYS}, installation.committed)

    with DagsterRuns.of(installation) as runs:
        result = runs.run(
            planned, on_partition=lambda _: committed.append(len(installation.committed(orders)))
        )

    assert result.failures == ()
    assert len(committed) == 40
    assert (committed[0], committed[-1]) == (32, 40)
