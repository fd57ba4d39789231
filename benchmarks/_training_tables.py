"""The offline tables of `training_set.py`: those that we write, and those that adopt bare files."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from headrace.benchmarks._cost import measured
from headrace.benchmarks._training_rows import FEATURES, GROUPS, TTL, days, group_files
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.partitions import DAILY
from headrace.resources.offline.maintenance.maintained import Kept, maintain_table
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import Computation, OfflineTable
from headrace.resources.offline.table_spec import BUCKET_COLUMN, EVENT_TIMESTAMP, feature_table

_ROWS_TOGETHER, _TOGETHER = 500_000, 32  # as materialize commits them


def group_spec(number: int, kind: str) -> FeatureGroupSpec:
    """The feature group whose rows `group_file` holds."""
    return FeatureGroupSpec(
        name=f"g{number}",
        version=1,
        entity=EntitySpec("customer", (JoinKey("customer_id", DType.INT64),)),
        features=tuple(FeatureSpec(f"f{each}", DType.FLOAT64) for each in range(FEATURES)),
        ttl=TTL,
        online=Online(kind),
        owners=("team:benchmarks",),
        partitions=DAILY.name,
    )


def write(folder: str, kind: str, buckets: int, groups: int = GROUPS) -> dict[str, float]:
    """Commit every group's file as a backfill does, several daily partitions to a version."""
    store = OfflineStore(f"{folder}/tables")
    with measured() as cost:
        rows = sum(_write(store, folder, kind, number, buckets=buckets) for number in range(groups))
    files = sum(1 for _ in Path(folder, "tables").rglob("*.parquet"))
    return {**cost, "rows": rows, "files": files}


def maintain(folder: str, kind: str, groups: int = GROUPS) -> dict[str, float]:
    """Do what the daily maintenance does: history, compaction, checkpoint, vacuum."""
    store = OfflineStore(f"{folder}/tables")
    with measured() as cost:
        for number in range(groups):
            maintain_table(store.table(feature_table(group_spec(number, kind))), Kept())
    return cost


def adopt(folder: str, kind: str) -> dict[str, float]:
    """Make tables whose data files are the very files that the others read, by hard links.

    To the join they are tables of one bucket in which nothing is sorted by entity: the rows of a
    month lie in the partition of its first day, and the other days' partitions are empty.
    """
    store = OfflineStore(f"{folder}/adopted")
    for number in range(GROUPS):
        table = store.table(feature_table(group_spec(number, kind)))
        _adopt(table, group_files(Path(folder), number))
    return {}


def _write(store: OfflineStore, folder: str, kind: str, number: int, *, buckets: int) -> int:
    table = store.table(feature_table(group_spec(number, kind), buckets=buckets))
    rows = pl.read_parquet(group_files(Path(folder), number))
    for computations in _batches(days(rows)):
        table.commit_all(computations, run_id="backfill", code_version="benchmark")
    return rows.height


def _batches(parts: Iterable[tuple[str, pl.DataFrame]]) -> Iterator[list[Computation]]:
    batch: list[Computation] = []
    for key, rows in parts:
        batch.append(Computation(key, rows, identity=key, verdicts={}))
        if len(batch) == _TOGETHER or sum(each.frame.height for each in batch) >= _ROWS_TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch


def _adopt(table: OfflineTable, files: Path) -> None:
    nothing = pl.DataFrame(schema=table.spec.schema)
    keys = _days_of(files)
    empty = [Computation(key, nothing, identity=key, verdicts={}) for key in keys]
    table.commit_all(empty, run_id="adoption", code_version="benchmark")
    actions: list[AddAction | RemoveAction] = []
    for file in sorted(files.iterdir()):
        first = next(key for key in keys if key.startswith(file.stem))
        linked = Path(table.uri, f"{DAILY.column}={first}", file.name)
        linked.parent.mkdir()
        os.link(file, linked)
        actions.append(_addition(Path(table.uri), linked, first))
    delta = DeltaTable(table.uri)
    layout = list(table.spec.partition_columns)
    delta.create_write_transaction(actions, "append", delta.schema(), partition_by=layout)


def _days_of(files: Path) -> list[str]:
    rows = pl.scan_parquet(files).select(EVENT_TIMESTAMP).unique().collect()
    return [key for key, _ in days(rows)]


def _addition(table: Path, file: Path, partition: str) -> AddAction:
    rows = pl.scan_parquet(file).select(pl.len()).collect().item()
    return AddAction(
        path=str(file.relative_to(table)),
        size=file.stat().st_size,
        partition_values={DAILY.column: partition, BUCKET_COLUMN: "0"},
        modification_time=int(file.stat().st_mtime * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": rows}),
    )
