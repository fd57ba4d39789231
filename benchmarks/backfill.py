"""Backfill of a demonstration group's whole history, offline and online, by the command itself.

`headrace materialize household_spend` over 366 days in a fresh home: it ingests the two inputs that
are missing, computes, judges, commits and publishes each day, and records all of it in Dagster.
Prints wall and CPU seconds of the command (its Valkey's are not among them), and the runs of which
it consisted.

    .venv/bin/python benchmarks/backfill.py [--reduced] [--runs N] [--folder FOLDER]
"""

import argparse
import tempfile
from pathlib import Path

from headrace.benchmarks import _backfill_steps as steps
from headrace.benchmarks._runs import keep, machine, markdown, run_step, spread

FIRST, LAST, REDUCED = "2017-01-01", "2018-01-01", "2017-02-05"
TARGET = 60
COSTS = ("seconds", "cpu_seconds")


def main() -> None:
    """Print the command's cost, and that of each step of its runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="36 days")
    parser.add_argument("--runs", type=int, default=0, help="(3; reduced: 1)")
    parser.add_argument("--folder", type=Path, help="for the homes; removed afterwards")
    options = parser.parse_args()
    partitions = f"{FIRST}..{REDUCED if options.reduced else LAST}"
    print(", ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    costs = []
    for number in range(1 + (options.runs or (1 if options.reduced else 3))):
        with tempfile.TemporaryDirectory(dir=options.folder) as home:
            # The first run leaves Python's bytecode behind for those that count.
            asked = partitions if number else f"{FIRST}..{FIRST}"
            cost = run_step(steps.backfill, home=home, partitions=asked)
            if number:
                costs.append({**cost, **run_step(steps.step_seconds, home=home)})
                print(f"  {cost['seconds']:.1f} s, {cost['cpu_seconds']:.1f} CPU s", flush=True)
    rows = [("the command", spread(costs, "seconds", 1), spread(costs, "cpu_seconds", 1))]
    names = [name for name in costs[0] if name not in {*COSTS, "peak_mib"}]
    rows += [(name, spread(costs, name, 1), "") for name in names]
    print(f"\n### {steps.GROUP}, {partitions} (target: {TARGET} s for 366 days)\n")
    print(markdown(("", "seconds", "CPU seconds"), rows))
    kept = keep("backfill", {"partitions": partitions, "costs": costs}, reduced=options.reduced)
    print(f"\nkept in {kept}")


if __name__ == "__main__":
    main()
