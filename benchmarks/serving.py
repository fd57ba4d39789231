"""Online lookups: Feast's ways, a straightforward server and ours, in turns, over one Valkey.

All have the same rows. Servers run all the time and are loaded one after the other, again and
again, so that a slow minute hits all of them. Replies are checked. Prints tables and by how much we
win, and keeps them with a plot in `benchmarks/results/serving.json` and `serving.svg`.

    .venv/bin/python benchmarks/serving.py [--reduced] [--rounds N]
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.benchmarks import _serving_extras as extras
from headrace.benchmarks._peers import feast_python
from headrace.benchmarks._runs import keep, machine, run_script, run_step
from headrace.benchmarks._serving_decode import decode
from headrace.benchmarks._serving_load import Target, even_rate, require_tools, saturation
from headrace.benchmarks._serving_plot import plot
from headrace.benchmarks._serving_report import Found, report
from headrace.benchmarks._serving_servers import FEAST_RPC, FEAST_SCRIPT, STRAIGHT, Servers
from headrace.benchmarks._serving_values import CASES

FEAST_SDK = "Feast SDK"
RATES = {CASES[0].name: (500, 1000, 2000), CASES[1].name: (200, 1000)}
CARRIES = {FEAST_RPC: {CASES[0].name: 500}, STRAIGHT: {CASES[0].name: 1000, CASES[1].name: 200}}
"""The greatest rates that peers are asked for: beyond them they only queue."""

_MANY = 1_000


@dataclass(frozen=True, slots=True)
class Size:
    """How long a run takes.

    Attributes:
        rounds: Turns of every contender.
        seconds: Of each measurement at saturation.
        even_seconds: Of each at an even rate.
        cases: How many of the cases.
        rates: How many rates of each case.
    """

    rounds: int
    seconds: float
    even_seconds: float
    cases: int
    rates: int


FULL, REDUCED = Size(3, 1.0, 2.0, 4, 3), Size(1, 0.4, 0.7, 2, 1)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="two cases, once, in a minute")
    parser.add_argument("--rounds", type=int, default=0, help="turns of each contender (3)")
    options = parser.parse_args()
    size = REDUCED if options.reduced else FULL
    rounds = options.rounds or size.rounds
    require_tools()
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        found = measured(Path(name), Servers(Path(name), stack), size, rounds)
    print(report(found))
    path = keep("serving", found, reduced=options.reduced)
    plot(found, path.with_suffix(".svg"))
    print(f"\nkept in {path}", flush=True)


def measured(folder: Path, servers: Servers, size: Size, rounds: int) -> Found:
    """Everything, in turns."""
    say("starting servers")
    ours = {
        f"{transport} × {workers}": servers.ours(
            f"{transport} × {workers}", *transport_options(servers, transport, workers)
        )
        for transport in servers.transports
        for workers in (1, 2)
        if workers == 1 or servers.has("--workers")
    }
    straight = servers.straight()
    feast = servers.feast()
    contenders = {target.name: target for target in (*feast, straight)} | ours
    found: Found = {"saturation": {}, "even": {}}
    for turn in range(rounds):
        say(f"saturation, round {turn + 1} of {rounds}")
        saturate(found["saturation"], contenders, servers.store, size)
        sdk = run_script(
            feast_python(), FEAST_SCRIPT, "sdk", str(folder / "feast"), str(size.seconds)
        )
        for case in CASES[: size.cases]:
            entry(found["saturation"], case.name, FEAST_SDK).append(sdk[case.name])
    for turn in range(max(1, rounds - 1)):
        say(f"even rates, round {turn + 1}")
        evenly(found["even"], contenders, size)
    say("echo, TLS, metrics, decoding")
    one = ours[f"{servers.transports[-1]} × 1"]
    found["extras"] = extras.measured(servers, one, rounds, size.seconds)
    found["decode_us"] = run_step(decode, folder=str(one.requests), address=one.address)
    return found


def transport_options(servers: Servers, transport: str, workers: int) -> list[str]:
    """How our server is told, as far as this checkout can be."""
    options = ["--transport", transport] if servers.has("--transport") else []
    return [*options, "--workers", str(workers)] if workers > 1 else options


def saturate(
    found: dict[str, Any], contenders: Mapping[str, Target], store: int, size: Size
) -> None:
    """One turn of each contender and case, as fast as it goes."""
    for number, case in enumerate(CASES[: size.cases]):
        for name, target in contenders.items():
            # A server of several workers needs connections to all of them.
            clients = 8 if "× 2" in name or target.sizes else 4
            # What is in flight at the end has cost CPU time, too, and counts as no call.
            calls = 16 if case.features <= _MANY else 4
            cost = saturation(
                target, number, size.seconds, store=store, clients=clients, calls=calls
            )
            cost["features_per_second"] = cost["calls_per_second"] * case.features
            entry(found, case.name, name).append(cost)


def evenly(found: dict[str, Any], contenders: Mapping[str, Target], size: Size) -> None:
    """One turn of each contender and rate that it can be asked for."""
    for number, case in enumerate(CASES[: size.cases]):
        for rate in RATES.get(case.name, ())[: size.rates]:
            for name, target in contenders.items():
                limits = CARRIES.get(name)
                too_fast = limits is not None and rate > limits.get(case.name, 0)
                if target.sizes or "× 2" in name or too_fast:
                    continue
                cost = even_rate(target, number, size.even_seconds, rate)
                entry(found, f"{case.name} @ {rate}/s", name).append(cost)


def entry(found: dict[str, Any], *names: str) -> list[Any]:
    """The list at a place of nested dicts, made where there is none."""
    *folders, last = names
    for name in folders:
        found = found.setdefault(name, {})
    listed: list[Any] = found.setdefault(last, [])
    return listed


def say(what: str) -> None:
    """Tell a person that it goes on."""
    print(f"  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
