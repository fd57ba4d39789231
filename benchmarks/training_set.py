"""A training set of five groups: Feast's engines, DuckDB's ASOF join, and ours; see README.md.

Every contender runs in a process of its own, in turns, on the same rows. Prints what each cost and
whether the answers agree row for row, and keeps it in `benchmarks/results/`.

    .venv/bin/python benchmarks/training_set.py [--reduced] [--runs N] [--folder FOLDER]
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from headrace.benchmarks import _training_joins as joins
from headrace.benchmarks import _training_rows as rows
from headrace.benchmarks import _training_tables as tables
from headrace.benchmarks._peers import feast_python
from headrace.benchmarks._runs import (
    Cost,
    keep,
    machine,
    markdown,
    median,
    run_script,
    run_step,
    spread,
)
from headrace.benchmarks._training_rows import Size

Contender: TypeAlias = Callable[[str], Cost]

SIZES = {Size(100_000, 1_000_000): 4, Size(1_000_000, 10_000_000): 16}
"""Rows of the spine and of each group, and how many entity buckets our tables have."""
REDUCED = {Size(100_000, 1_000_000): 4}
# Feast's own engine makes spine × history in memory: it is asked what it survives.
DASK, DASK_REDUCED = Size(10_000, 100_000), Size(1_000, 10_000)
REFERENCE = "duckdb_asof"
PEERS = ("feast_duckdb", "feast_duckdb_restated", REFERENCE, "duckdb_asof_restated")


def main() -> None:
    """Print a table for each size and semantics."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="the smaller size alone")
    parser.add_argument("--runs", type=int, default=0, help="of each contender (3; reduced: 2)")
    parser.add_argument("--folder", type=Path, help="for gigabytes of rows; removed afterwards")
    options = parser.parse_args()
    runs = options.runs or (2 if options.reduced else 3)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    feast_python()
    found = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for size, buckets in (REDUCED if options.reduced else SIZES).items():
            for kind in ("upsert", "snapshot"):
                name = f"{kind} groups, {_named(size)}"
                found[name] = compared(f"{folder}/rows", kind, size, buckets=buckets, runs=runs)
                print(f"\n### {name}\n\n{report(found[name])}", flush=True)
        size = DASK_REDUCED if options.reduced else DASK
        name = f"Feast's dask engine, {_named(size)}"
        found[name] = dask(f"{folder}/rows", size)
        print(f"\n### {name}\n\n{report(found[name])}", flush=True)
    print(f"\n{keep('training_set', found, reduced=options.reduced)}")


def compared(folder: str, kind: str, size: Size, *, buckets: int, runs: int) -> dict[str, Any]:
    """What making the tables and every contender's runs cost, and how the answers differ."""
    _generate(folder, kind, size)
    prepared = {
        "write": run_step(tables.write, folder=folder, kind=kind, buckets=buckets),
        "maintain": run_step(tables.maintain, folder=folder, kind=kind),
    }
    run_step(tables.adopt, folder=folder, kind=kind)
    contenders: dict[str, Contender] = {
        "feast_duckdb": partial(_feast, "duckdb"),
        "feast_duckdb_restated": partial(_feast, "duckdb", "restated"),
        REFERENCE: partial(_step, joins.duckdb_asof),
        "duckdb_asof_restated": partial(_step, joins.duckdb_asof_restated),
        "ours_on_files": partial(_step, joins.ours_on_files),
        "ours_on_tables": partial(_step, joins.ours_on_tables),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, contender in contenders.items():
            costs[name].append(contender(folder))
    found = {"buckets": buckets, "prepared": prepared, **_agreeing(folder, costs)}
    shutil.rmtree(folder)
    return found


def dask(folder: str, size: Size) -> dict[str, Any]:
    """One run of the engine that Feast uses on files by default."""
    _generate(folder, "upsert", size)
    costs = {REFERENCE: [_step(joins.duckdb_asof, folder)], "feast_dask": [_feast("dask", folder)]}
    found = _agreeing(folder, costs)
    shutil.rmtree(folder)
    return found


def report(found: Mapping[str, Any]) -> str:
    """What was found, as Markdown."""
    costs: Mapping[str, list[Cost]] = found["costs"]
    peers = [name for name in PEERS if name in costs]
    header = ["contender", "seconds", "CPU seconds", "peak MiB", "rows that differ"]
    table = markdown(
        [*header, *(f"{peer} ÷ it: seconds, CPU, memory" for peer in peers)],
        [
            [
                name,
                spread(runs, "seconds"),
                spread(runs, "cpu_seconds"),
                spread(runs, "peak_mib", 0),
                _differences(found["agreement"][name]),
                *(_ratios(costs[peer], runs) for peer in peers),
            ]
            for name, runs in costs.items()
        ],
    )
    lines = [_preparation(step, cost) for step, cost in found.get("prepared", {}).items()]
    return "\n".join([table, "", *lines])


def _named(size: Size) -> str:
    return f"spine of {size.spine:,} × {rows.GROUPS} groups of {size.group:,} rows"


def _generate(folder: str, kind: str, size: Size) -> None:
    run_step(rows.generate, folder=folder, kind=kind, spine=size.spine, group=size.group)


def _step(step: Callable[..., Cost], folder: str) -> Cost:
    return run_step(step, folder=folder)


def _feast(engine: str, *arguments: str) -> Cost:
    *options, folder = arguments
    script = str(Path(__file__).with_name("_feast_join.py"))
    return run_script(feast_python(), script, folder, engine, *options)


def _agreeing(folder: str, costs: Mapping[str, list[Cost]]) -> dict[str, Any]:
    agreement = {
        name: run_step(joins.agreement, folder=folder, contender=name, reference=REFERENCE)
        for name in costs
    }
    return {"costs": costs, "agreement": agreement}


def _differences(agreement: Cost) -> str:
    differences = [
        f"{agreement[kind]:,} {kind}"
        for kind in ("missing", "surplus", "different")
        if agreement[kind]
    ]
    if agreement["missing"]:
        repeated, unknown = agreement["missing_repeated"], agreement["missing_unknown"]
        differences[0] += f" ({repeated:,} repeat a customer and time, {unknown:,} lack a group)"
    return f"{', '.join(differences) or 'none'} of {agreement['rows']:,}"


def _ratios(peer: list[Cost], ours: list[Cost]) -> str:
    ratios = (
        median(peer, key) / median(ours, key) for key in ("seconds", "cpu_seconds", "peak_mib")
    )
    return ", ".join(f"{ratio:.1f}×" for ratio in ratios)


def _preparation(step: str, cost: Cost) -> str:
    if not cost:
        return f"{step}: there is none"
    seconds, used, peak = cost["seconds"], cost["cpu_seconds"], cost["peak_mib"]
    shown = f"{step}: {seconds:.1f} s, {used:.1f} CPU s, {peak:.0f} MiB"
    if "rows" not in cost:
        return shown
    speed = cost["rows"] / seconds
    return f"{shown}; {cost['rows']:,} rows in {cost['files']:,} files, {speed:,.0f} rows/s"


if __name__ == "__main__":
    main()
