"""Cutting the frame that an asset returned into the partitions of its run."""

from collections.abc import Mapping, Sequence
from datetime import UTC

import dagster as dg
import polars as pl

from ...contract.errors import InvalidArgumentError, RowsOutsidePartitionError
from ...contract.partitions import PARTITIONINGS, Partitioning
from .table_spec import WHOLE, KeyedPartitions


def slices(
    context: dg.OutputContext, rows: pl.DataFrame
) -> tuple[Mapping[str, pl.DataFrame], Partitioning | KeyedPartitions | None]:
    """The rows by partition key, one entry for every partition of the run, and how they are cut.

    Raises:
        InvalidArgumentError: The run has several partitions, and nothing tells their rows apart.
        RowsOutsidePartitionError: A row belongs to no partition of the run.
    """
    if not context.has_asset_partitions:
        return {WHOLE: rows}, None
    keys = list(context.asset_partition_keys)
    column = (context.definition_metadata or {}).get("partition_expr")
    if column is not None:
        parts = {key: rows.filter(_belongs(context, rows, str(column), key)) for key in keys}
    elif len(keys) == 1:
        parts = {keys[0]: rows}
    else:
        raise InvalidArgumentError(
            argument=f"asset {context.asset_key.to_user_string()!r}",
            problem=f"a run of {len(keys)} partitions returned one frame",
            remedy='name the column that tells them apart: metadata={"partition_expr": "…"}',
        )
    outside = rows.height - sum(part.height for part in parts.values())
    if outside:
        raise RowsOutsidePartitionError(
            table=context.asset_key.to_user_string(),
            partition=", ".join(keys),
            count=outside,
            window=f"the partitions of the run (by column {column!r})",
        )
    return parts, _partitioning(keys)


def _belongs(context: dg.OutputContext, rows: pl.DataFrame, column: str, key: str) -> pl.Expr:
    definition = context.asset_partitions_def
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return pl.col(column).cast(pl.String) == key
    window = definition.time_window_for_partition_key(key)
    start, end = window.start, window.end
    if rows.schema[column] == pl.Date():
        # A day is a day of the definition's own time zone.
        return pl.col(column).is_between(start.date(), end.date(), closed="left")
    return pl.col(column).is_between(start.astimezone(UTC), end.astimezone(UTC), closed="left")


def _partitioning(keys: Sequence[str]) -> Partitioning | KeyedPartitions:
    """Days and hours are cut as everywhere in the store, so that `event_date` means the same."""
    for partitioning in PARTITIONINGS.values():
        if all(_is_key(partitioning, key) for key in keys):
            return partitioning
    return KeyedPartitions()


def _is_key(partitioning: Partitioning, key: str) -> bool:
    try:
        partitioning.window(key)
    except ValueError:
        return False
    return True
