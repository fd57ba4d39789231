"""Compaction: the small files of a partition's bucket become one sorted set of files.

A commit of ours writes each bucket of a partition sorted and in few files; many come from whoever
appends with other tools. A compaction computes nothing: it carries no entries, so generations,
identities and `known_at` stay what they were. delta-rs' own would join files in the order in which
they were written, which keeps the rows of two sorted files unsorted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from .. import delta_writes
from ..offline_table import OfflineTable
from ..table_snapshot import TableSnapshot
from ..table_spec import BUCKET_COLUMN, WHOLE, TableSpec

TARGET_BYTES = 100 * 2**20
"""The size at which delta-rs begins a new file."""

_BATCH_BYTES = 64 * 2**20  # compressed; a version for each, and memory for one


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction did, or would do.

    Attributes:
        slices: How many buckets of partitions were rewritten.
        busy: How many were not, because somebody committed there meanwhile; the next time.
        files_before: The data files of the table's newest version before,
        files_after: and after it; as before in a dry run.
    """

    slices: int
    busy: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class _Slice:
    """One bucket of one partition, with its files."""

    partition: str | None
    bucket: int | None
    sizes: tuple[int, ...]
    rows: int

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def is_fragmented(self, target_bytes: int) -> bool:
        """Whether a rewrite would make fewer files; what has the size already is left alone."""
        small = sum(size < target_bytes / 2 for size in self.sizes)
        return small > 1 and len(self.sizes) > math.ceil(self.size / target_bytes)


def compact(
    table: OfflineTable, *, target_bytes: int = TARGET_BYTES, dry_run: bool = False
) -> Compaction:
    """Rewrite every bucket of a partition that has several small files, sorted by key.

    Idempotent. Commits of other processes go before: a bucket that one of them replaces meanwhile
    is left as they made it. Memory: about one batch of small files, or one bucket.

    Args:
        table: As declared: its spec says how rows are sorted; columns are taken as they are stored.
        target_bytes: The size that files are to have, compressed.
        dry_run: Only say what would be rewritten.
    """
    before = _slices(table)
    fragmented = [each for each in before if each.is_fragmented(target_bytes)]
    busy = 0
    for batch in [] if dry_run else _batches(fragmented):
        if not _rewrite(table, batch, target_bytes):
            busy += len(batch)
    after = _slices(table) if fragmented and not dry_run else before
    return Compaction(
        slices=len(fragmented) - busy,
        busy=busy,
        files_before=sum(len(each.sizes) for each in before),
        files_after=sum(len(each.sizes) for each in after),
        bytes_before=sum(each.size for each in before),
        bytes_after=sum(each.size for each in after),
    )


def _slices(table: OfflineTable) -> list[_Slice]:
    handle = DeltaTable(table.uri, storage_options=dict(table.log.storage_options))
    actions = pl.DataFrame(handle.get_add_actions(flatten=True))
    column = _partition_column(table.spec)
    sliced = actions.select(
        partition=_copy(actions, column, pl.String()),
        bucket=_copy(actions, BUCKET_COLUMN, pl.Int64()),
        size=pl.col("size_bytes"),
        rows=pl.col("num_records"),
    )
    grouped = sliced.group_by("partition", "bucket").agg("size", pl.col("rows").sum())
    return [
        _Slice(partition, bucket, tuple(sizes), rows)
        for partition, bucket, sizes, rows in grouped.sort("partition", "bucket").iter_rows()
    ]


def _copy(actions: pl.DataFrame, column: str | None, dtype: pl.DataType) -> pl.Expr:
    name = f"partition.{column}"
    return pl.col(name).cast(dtype) if name in actions.columns else pl.lit(None, dtype=dtype)


def _batches(slices: Sequence[_Slice]) -> Iterator[list[_Slice]]:
    batch: list[_Slice] = []
    for each in slices:
        if batch and sum(other.size for other in [*batch, each]) > _BATCH_BYTES:
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


def _rewrite(table: OfflineTable, batch: Sequence[_Slice], target_bytes: int) -> bool:
    """Replace the files of these slices; whether nobody else had replaced some of them."""
    handle = DeltaTable(table.uri, storage_options=dict(table.log.storage_options))
    stored = pl.Schema(handle.schema())
    copies = handle.metadata().partition_columns
    columns = tuple((name, dtype) for name, dtype in stored.items() if name not in copies)
    spec = replace(table.spec, columns=columns)
    snapshot = TableSnapshot(spec, table.log, handle.version(), {})
    parts = [_sorted(snapshot, each) for each in batch]
    if any(part.height != each.rows for each, part in zip(batch, parts, strict=True)):
        # Somebody committed between the listing and this version: these are other files.
        return False
    frame = pl.concat(parts).select(stored.names())
    try:
        delta_writes.rewrite(
            spec, handle, frame, predicate=_predicate(spec, batch), target_bytes=target_bytes
        )
    except CommitFailedError:
        return False
    return True


def _sorted(snapshot: TableSnapshot, each: _Slice) -> pl.DataFrame:
    spec = snapshot.spec
    buckets = None if each.bucket is None else [each.bucket]
    rows = snapshot.scan([each.partition or WHOLE], buckets).collect()
    if spec.order:
        rows = rows.sort(spec.order, maintain_order=not spec.key)
    column = _partition_column(spec)
    if column is not None:
        rows = rows.with_columns(pl.lit(each.partition).alias(column))
    if each.bucket is not None:
        rows = rows.with_columns(pl.lit(each.bucket, dtype=pl.Int32).alias(BUCKET_COLUMN))
    return rows


def _predicate(spec: TableSpec, batch: Sequence[_Slice]) -> str | None:
    column = _partition_column(spec)
    if column is None:
        return None
    return " OR ".join(f"({_condition(column, each)})" for each in batch)


def _condition(column: str, each: _Slice) -> str:
    condition = f"{column} = {delta_writes.quoted(each.partition or '')}"
    if each.bucket is None:
        return condition
    return f"{condition} AND {BUCKET_COLUMN} = {each.bucket}"


def _partition_column(spec: TableSpec) -> str | None:
    return spec.partitioning.column if spec.partitioning else None
