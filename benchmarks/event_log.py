"""What Dagster's event log costs a backfill: its own SQLite storage beside ours.

Prints the figures of decision 0005: seconds for one run that records a number of partitions and
does nothing else, in a folder of its own.

    .venv/bin/python benchmarks/event_log.py [--reduced]
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

STORAGES = {
    "Dagster's own": ("dagster._core.storage.event_log", "SqliteEventLogStorage"),
    "ours": ("headrace.resources.event_log", "EventLog"),
}
START = "2017-01-01"


def recorded(module: str, name: str, partitions: int) -> float:
    """Seconds of a run that records one materialization for each partition."""
    days = dg.DailyPartitionsDefinition(START)
    last = days.get_partition_keys()[partitions - 1]

    @dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def nothing(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        for key in context.partition_keys:
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key))
        yield dg.MaterializeResult()

    with tempfile.TemporaryDirectory() as folder:
        config = {"base_dir": str(Path(folder) / "history" / "runs")}
        events = {"module": module, "class": name, "config": config}
        settings = {"telemetry": {"enabled": False}, "event_log_storage": events}
        (Path(folder) / "dagster.yaml").write_text(json.dumps(settings))
        with dg.DagsterInstance.from_config(folder) as instance:
            started = time.perf_counter()
            dg.materialize(
                [nothing],
                instance=instance,
                tags={
                    "dagster/asset_partition_range_start": START,
                    "dagster/asset_partition_range_end": last,
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            return time.perf_counter() - started


def main() -> None:
    """Print a line for each storage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="a tenth of the partitions")
    partitions = 36 if parser.parse_args().reduced else 366
    warnings.simplefilter("ignore")
    print(f"a run that records {partitions} partitions")
    for storage, (module, name) in STORAGES.items():
        print(f"  {storage:14} {recorded(module, name, partitions):6.1f} s")


if __name__ == "__main__":
    main()
