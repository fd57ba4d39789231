"""What `serving.py` found, as Markdown: medians and ranges, what we win, what was aimed at."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from headrace.benchmarks._runs import Cost, markdown, median, spread
from headrace.benchmarks._serving_values import CASES

Found: TypeAlias = dict[str, Any]
Costs: TypeAlias = Mapping[str, Sequence[Cost]]

FEAST_RPC, FEAST_HTTP = "Feast gRPC", "Feast HTTP"
TARGETS = {
    (CASES[0].name, FEAST_RPC): 15,
    (CASES[0].name, FEAST_HTTP): 35,
    (CASES[1].name, FEAST_RPC): 50,
    (CASES[1].name, FEAST_HTTP): 100,
}
_NODES, _CORES, _USED = 12, 8, 0.6


def report(found: Found) -> str:
    """Every table."""
    parts = [
        f"\n### {case}, as fast as it goes\n\n{_saturation(case, costs)}"
        for case, costs in found["saturation"].items()
    ]
    parts.append(f"\n### Evenly spaced calls\n\n{_even(found['even'])}")
    parts.append(f"\n### Echo, TLS, metrics\n\n{_extras(found['extras'])}")
    parts.append(f"\n### Decoding in the client\n\n{_decoding(found['decode_us'])}")
    parts.append(f"\n### What {_NODES} nodes would carry\n\n{_nodes(found['saturation'])}")
    return "\n".join(parts)


def best(costs: Costs) -> str:
    """Our contender of one worker with the most calls."""
    ours = [name for name in costs if name.endswith("× 1")]
    return max(ours, key=lambda name: median(costs[name], "calls_per_second"))


def _saturation(case: str, costs: Costs) -> str:
    header = (
        *("", "calls/s", "M features/s", "server µs a call", "store µs a call"),
        *(f"× {FEAST_RPC}", f"× {FEAST_HTTP}"),
    )
    lines = []
    for name, runs in costs.items():
        ratios = []
        for peer in (FEAST_RPC, FEAST_HTTP):
            ratio = median(runs, "calls_per_second") / median(costs[peer], "calls_per_second")
            aim = TARGETS.get((case, peer)) if name == best(costs) else None
            ratios.append(f"{ratio:.1f}{f' (≥ {aim})' if aim else ''}")
        lines.append(
            (
                name,
                spread(runs, "calls_per_second", 0),
                f"{_millions(case, runs):.2f}",
                spread(runs, "server_us", 0),
                spread(runs, "store_us", 1) if "store_us" in runs[0] else "",
                *ratios,
            )
        )
    return markdown(header, lines)


def _millions(case: str, runs: Sequence[Cost]) -> float:
    features = next(each.features for each in CASES if each.name == case)
    return median(runs, "calls_per_second") * features / 1e6


def _even(found: Mapping[str, Costs]) -> str:
    header = ("calls", "", "p50 ms", "p95 ms", "p99 ms", "refused", "server µs a call")
    return markdown(
        header,
        [
            (
                rate,
                name,
                *(spread(runs, f"{each}_ms") for each in ("p50", "p95", "p99")),
                spread(runs, "failed", 0),
                spread(runs, "server_us", 0),
            )
            for rate, costs in found.items()
            for name, runs in costs.items()
        ],
    )


def _extras(found: Mapping[str, Any]) -> str:
    header = ("", "", "calls/s", "server µs a call", "ratio")
    lines = []
    echo: Costs = found["echo"]
    rates = {name: median(runs, "calls_per_second") for name, runs in echo.items()}
    for name, runs in echo.items():
        ratio = ""
        if name == "lean echo" and "C++ echo" in rates:
            ratio = f"{rates[name] / rates['C++ echo']:.2f} of C++ (≥ 0.65)"
        elif "echo" not in name and "lean echo" in rates:
            ratio = f"{rates[name] / rates['lean echo']:.2f} of lean echo (≥ 0.6)"
        shown = spread(runs, "calls_per_second", 0), spread(runs, "server_us", 0)
        lines.append((CASES[0].name, name, *shown, ratio))
    for kind, aim in (("TLS", "≤ 1.3"), ("metrics", "≤ 1.05")):
        for case, costs in found.get(kind, {}).items():
            without, _ = costs
            for name, runs in costs.items():
                more = median(runs, "server_us") / median(costs[without], "server_us")
                ratio = "" if name == without else f"{more:.2f} × the CPU ({aim})"
                shown = spread(runs, "calls_per_second", 0), spread(runs, "server_us", 0)
                lines.append((case, name, *shown, ratio))
    return markdown(header, lines)


def _decoding(found: Mapping[str, float]) -> str:
    header = ("", "µs from bytes to values and statuses in numpy")
    aims = {CASES[2].name: " (≤ 150)"}
    return markdown(header, [(case, f"{us:.0f}{aims.get(case, '')}") for case, us in found.items()])


def _nodes(found: Mapping[str, Costs]) -> str:
    """By calculation: CPU time of a call, server's and store's, on the cores that there are."""
    header = ("", "µs a call, store included", "M calls/s", "M features/s")
    lines = []
    for case, costs in found.items():
        runs = costs[best(costs)]
        used = median(runs, "server_us") + median(runs, "store_us")
        calls = _NODES * _CORES * _USED / used
        features = next(each.features for each in CASES if each.name == case)
        lines.append((case, f"{used:.0f}", f"{calls:.2f}", f"{calls * features:.0f}"))
    return markdown(header, lines) + (
        f"\n\n{_NODES} nodes of {_CORES} such cores, {_USED:.0%} of them used, each a worker of the"
        " server or of the store. Networks are not in it: 100 × 50 features are 42 kB."
    )
