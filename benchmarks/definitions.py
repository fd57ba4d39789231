"""Definitions, automation and the asset graph's page, of 120 groups with three years of days.

Writes a package of generated groups, one file each with ten features, and measures what Dagster
does with it: CPU seconds until the definitions are loaded beyond the libraries' own, CPU seconds of
an automation tick after one late day, and, where Chromium is installed, seconds until the page of
the asset graph shows.

    .venv/bin/python benchmarks/definitions.py [--reduced] [--runs N]
"""

import argparse
import shutil
import tempfile
import warnings

from headrace.benchmarks import _definitions_steps as steps
from headrace.benchmarks._runs import keep, machine, markdown, run_step, spread

GROUPS, REDUCED = 120, 30
LOAD_TARGET, TICK_TARGET = 1.0, 2.5


def main() -> None:
    """Print a line for each of the three."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--reduced", action="store_true", help=f"{REDUCED} groups, one run, no page"
    )
    parser.add_argument("--runs", type=int, default=0, help="(3; reduced: 1)")
    options = parser.parse_args()
    groups = REDUCED if options.reduced else GROUPS
    runs = range(options.runs or (1 if options.reduced else 3))
    warnings.simplefilter("ignore")
    print(", ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    with tempfile.TemporaryDirectory() as home:
        run_step(steps.write, home=home, groups=groups)
        loads = [run_step(steps.load, home=home) for _ in runs]
        ticks = [run_step(steps.tick, home=home) for _ in runs]
        wants_page = not options.reduced and shutil.which("chromium") is not None
        pages = [run_step(steps.page, home=home)] if wants_page else []
    rows = [
        ("definitions load, beyond the libraries, CPU s", spread(loads, "cpu_seconds")),
        ("— our modules", spread(loads, "import")),
        ("— declarations and assets", spread(loads, "build")),
        ("— Dagster's asset graph", spread(loads, "graph")),
        ("automation tick, the first, CPU s", spread(ticks, "first")),
        ("automation tick without news, CPU s", spread(ticks, "idle")),
        ("automation tick after a late day, CPU s", spread(ticks, "late")),
    ]
    if pages:
        rows += [
            ("asset graph page, first time, s", spread(pages, "cold", 1)),
            ("asset graph page, again, s", spread(pages, "warm", 1)),
        ]
    assets, requested = int(loads[0]["assets"]), int(ticks[0]["requested"])
    print(f"\n### {groups} groups, {assets} assets; the late day requests {requested} assets\n")
    print(f"Targets: load {LOAD_TARGET} CPU s, tick after a late day {TICK_TARGET} CPU s.\n")
    print(markdown(("", "median (range)"), rows))
    found = {"groups": groups, "loads": loads, "ticks": ticks, "pages": pages}
    print(f"\nkept in {keep('definitions', found, reduced=options.reduced)}")


if __name__ == "__main__":
    main()
