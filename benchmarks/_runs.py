"""How benchmarks start their steps, name the machine, and keep and show what they found."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

Cost: TypeAlias = dict[str, Any]

_HERE = Path(__file__).parent
_SETTINGS = {
    "TZ": "UTC",
    "FEAST_USAGE": "False",
    "FEAST_TELEMETRY": "False",
    # Bytecode is there, as wherever something is installed; no warning is printed by thousands.
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONWARNINGS": "ignore",
}
_PACKAGES = ("polars", "deltalake", "duckdb", "pandera", "pyarrow")


def run_step(step: Callable[..., Cost], **arguments: Any) -> Cost:  # noqa: ANN401 - any JSON value
    """What a function of a module returns that is called in a fresh process.

    Raises:
        CalledProcessError: It failed; it has printed why.
    """
    script = str(_HERE / "_step.py")
    return run_script(
        Path(sys.executable), script, step.__module__, step.__name__, json.dumps(arguments)
    )


def run_script(python: Path, *command: str) -> Cost:
    """The JSON that a script prints as its last line.

    Raises:
        CalledProcessError: It failed; it has printed why.
    """
    done = subprocess.run(
        [str(python), *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **_SETTINGS},
    )
    found: Cost = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, str]:
    """What the figures depend on."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.is_file() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "load": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def spread(costs: Iterable[Cost], key: str, decimals: int = 2) -> str:
    """Median and range of what runs cost, as a table shows it."""
    values = [float(cost[key]) for cost in costs]
    shown = f"{statistics.median(values):.{decimals}f}"
    if len(values) == 1:
        return shown
    return f"{shown} ({min(values):.{decimals}f}–{max(values):.{decimals}f})"


def median(costs: Iterable[Cost], key: str) -> float:
    """The median of what runs cost."""
    return statistics.median(float(cost[key]) for cost in costs)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table to be pasted."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def keep(name: str, found: Mapping[str, Any], *, reduced: bool) -> Path:
    """Write what a benchmark found to `benchmarks/results/`; reduced runs have their own files."""
    folder = _HERE / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}{'.reduced' if reduced else ''}.json"
    path.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n")
    return path
