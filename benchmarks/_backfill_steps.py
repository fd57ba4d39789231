"""Steps of `backfill.py`: the command in a home of its own, and what Dagster recorded of it."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

from headrace.benchmarks._cost import measured
from headrace.benchmarks._runs import Cost
from headrace.cli.services import dagster_home
from headrace.contract.environment import Environment

GROUP = "household_spend"
_CLOCK = "2018-01-02T00:00:00Z"


def backfill(home: str, partitions: str) -> Cost:
    """Run the command in this home, which is new."""
    command = str(Path(sys.executable).with_name("headrace"))
    settings = {key: value for key, value in os.environ.items() if not key.startswith("HEADRACE_")}
    # With it, each start compiles Dagster anew, which takes seconds.
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    with measured() as cost:
        subprocess.run(
            [command, "materialize", GROUP, "--partitions", partitions],
            check=True,
            env={**settings, "HEADRACE_HOME": home, "HEADRACE_CLOCK": _CLOCK},
            stdout=sys.stderr,
        )
    return cost


def step_seconds(home: str) -> Cost:
    """How long each asset's step took, as Dagster recorded it."""
    folder = str(dagster_home(Environment.read({"HEADRACE_HOME": home})))
    found: dict[str, float] = {}
    with dg.DagsterInstance.from_config(folder) as instance:
        for run in reversed(instance.get_runs()):
            for step in instance.get_run_step_stats(run.run_id):
                if step.start_time and step.end_time:
                    found[step.step_key.replace("__", "/")] = step.end_time - step.start_time
    return found
