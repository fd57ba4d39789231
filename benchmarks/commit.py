"""What a commit costs: a partition validated, sorted and committed; and what its layout saves.

Prints features committed a second, beside the time of a bare Parquet file of the same rows, and the
time to read one entity's history from our tables and from unsorted files; see README.md.

    .venv/bin/python benchmarks/commit.py [--reduced] [--folder FOLDER]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from headrace.benchmarks import _commits as steps
from headrace.benchmarks import _training_rows as rows
from headrace.benchmarks import _training_tables as tables
from headrace.benchmarks._runs import Cost, keep, machine, markdown, median, run_step, spread

ROWS = 1_000_000
LAYOUTS = [(1, "sorted"), (1, "shuffled"), (16, "sorted"), (16, "shuffled")]
"""Entity buckets, and the order in which the rows are computed."""


def main() -> None:
    """Print a table of commits and one of reads."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="fewer runs, a tenth of the history")
    parser.add_argument("--folder", type=Path, help="for the rows; removed afterwards")
    options = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        committed = {
            f"{order} rows, buckets: {buckets}": run_step(
                steps.commits,
                folder=f"{folder}/{order}-{buckets}",
                rows=ROWS,
                buckets=buckets,
                order=order,
                runs=3 if options.reduced else 9,
            )["costs"]
            for buckets, order in LAYOUTS
        }
        print(f"\n### commits of {ROWS:,} rows × {steps.FEATURES} features\n")
        print(_commits(committed))
        history = _history(f"{folder}/history", reduced=options.reduced)
        print(f"\n### one entity's history, of {history['rows']:,} rows\n\n{_reads(history)}")
    found = {"commits": committed, "history": history}
    print(f"\n{keep('commit', found, reduced=options.reduced)}")


def _history(folder: str, *, reduced: bool) -> dict[str, Any]:
    size = rows.Size(1, 1_000_000 if reduced else 10_000_000)
    buckets = 4 if reduced else 16
    run_step(
        rows.generate, folder=folder, kind="upsert", spine=size.spine, group=size.group, groups=1
    )
    written = run_step(tables.write, folder=folder, kind="upsert", buckets=buckets, groups=1)
    maintained = run_step(tables.maintain, folder=folder, kind="upsert", groups=1)
    read = run_step(steps.reads, folder=folder, entities=size.entities, buckets=buckets, count=20)
    return {
        "rows": written["rows"],
        "buckets": buckets,
        "write": written,
        "maintain": maintained,
        "reads": read,
    }


def _commits(committed: dict[str, list[Cost]]) -> str:
    return markdown(
        ["", "M features/s", "seconds", "CPU seconds", "judge", "check, sort", "bare Parquet file"],
        [
            [
                name,
                f"{ROWS * steps.FEATURES / median(costs, 'seconds') / 1e6:.1f}",
                *(
                    spread(costs, key)
                    for key in ("seconds", "cpu_seconds", "judge", "check", "bare")
                ),
            ]
            for name, costs in committed.items()
        ],
    )


def _reads(history: dict[str, Any]) -> str:
    costs = {
        name: [{"milliseconds": 1000 * each} for each in read["seconds"]]
        for name, read in history["reads"].items()
    }
    slowest = median(costs["unsorted files"], "milliseconds")
    return markdown(
        ["rows are read from", "milliseconds", "unsorted files ÷ it"],
        [
            [
                name,
                spread(each, "milliseconds", 1),
                f"{slowest / median(each, 'milliseconds'):.1f}×",
            ]
            for name, each in costs.items()
        ],
    )


if __name__ == "__main__":
    main()
