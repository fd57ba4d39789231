"""What Dagster shows of a declared table, and of a partition that was materialized into it."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

import dagster as dg
import pandera.polars as pa

from ...contract.partitions import Partitioning
from ...resources.offline.commit_log import Commit
from ...resources.offline.table_spec import TableSpec
from ..input_use import InputUse
from ..lineage import Lineage
from ..outcomes import Outcome
from ..plan import InputColumn
from ..schemas import Schema

Metadata: TypeAlias = dict[str, dg.MetadataValue]

_SHOWN = 20


def table_metadata(table: TableSpec, schema: Schema | None) -> Metadata:
    """The name and the columns of a table; a schema says what its columns mean and must fulfil."""
    declared = {} if schema is None else schema.to_schema().columns
    columns = [
        _explained(dg.TableColumn(name, type=str(dtype)), declared.get(name))
        for name, dtype in table.columns
    ]
    return {
        "dagster/table_name": dg.MetadataValue.text(table.path),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
    }


def commit_metadata(
    outcome: Outcome, commit: Commit, partitioning: Partitioning | None
) -> Metadata:
    """What a commit is and was computed from; Dagster plots the numbers over time."""
    count = "dagster/row_count" if partitioning is None else "dagster/partition_row_count"
    metadata: Metadata = {
        count: dg.MetadataValue.int(commit.rows),
        "generation": dg.MetadataValue.int(commit.generation),
        "table_version": dg.MetadataValue.int(commit.version),
        "committed_at": dg.MetadataValue.timestamp(commit.committed_at),
        "no_op": dg.MetadataValue.bool(commit.no_op),
        "publish": dg.MetadataValue.text(commit.publish),
        "seconds": dg.MetadataValue.float(round(outcome.seconds, 4)),
    }
    if outcome.contents is not None:
        nulls = outcome.contents.nulls
        metadata["bytes"] = dg.MetadataValue.int(outcome.contents.stored_bytes)
        metadata["nulls"] = dg.MetadataValue.int(sum(nulls.values()))
        metadata["nulls_by_column"] = dg.MetadataValue.json(dict(nulls))
    if partitioning is not None:
        end = partitioning.window(commit.partition).end
        metadata["partition_end"] = dg.MetadataValue.timestamp(end)
    if outcome.uses:
        is_complete = all(use.is_complete and not use.absent for use in outcome.uses)
        metadata["inputs"] = dg.MetadataValue.md(_inputs(outcome.uses))
        metadata["windows_are_complete"] = dg.MetadataValue.bool(is_complete)
    if outcome.receipt is not None:
        metadata["receipt"] = dg.MetadataValue.json(json.loads(outcome.receipt.to_json()))
    return metadata


def age_metadata(newest_end: datetime, now: datetime) -> Metadata:
    """How old the newest data were at the clock's present; not the age of the partition itself."""
    return {"age_seconds": dg.MetadataValue.int(int((now - newest_end).total_seconds()))}


def lineage_metadata(lineage: Lineage) -> Metadata:
    """Column lineage as Dagster's own entry, and as a table, because only Dagster+ draws the entry.

    Inputs bear the names of their assets. The table alone says what is opaque.
    """
    dependencies = {
        output: [
            dg.TableColumnDep(dg.AssetKey(asset.split("/")), column)
            for asset, column in each.direct
        ]
        for output, each in lineage.items()
    }
    rows = "\n".join(
        f"| {output} | {_columns(each.direct)}{' (opaque)' if each.is_opaque else ''}"
        f" | {_columns(each.rows)} |"
        for output, each in lineage.items()
    )
    return {
        "dagster/column_lineage": dg.MetadataValue.column_lineage(
            dg.TableColumnLineage(dependencies)
        ),
        "lineage": dg.MetadataValue.md(
            f"| column | computed from | rows decided by |\n| --- | --- | --- |\n{rows}"
        ),
    }


def _explained(column: dg.TableColumn, declared: pa.Column | None) -> dg.TableColumn:
    if declared is None:
        return column
    constraints = dg.TableColumnConstraints(
        nullable=declared.nullable,
        unique=declared.unique,
        other=[str(check.error or check.name) for check in declared.checks],
    )
    return dg.TableColumn(column.name, column.type, declared.description, constraints)


def _inputs(uses: Sequence[InputUse]) -> str:
    rows = "\n".join(
        f"| {use.asset} | {use.version} | {_span(list(use.generations))} | {_absent(use)} |"
        for use in uses
    )
    return f"| input | table version | partitions | absent |\n| --- | ---: | --- | --- |\n{rows}"


def _span(keys: Sequence[str]) -> str:
    if len(keys) <= 1:
        return "".join(keys)
    return f"{len(keys)}: {keys[0]}..{keys[-1]}"


def _absent(use: InputUse) -> str:
    keys = ", ".join(use.absent[:_SHOWN]) + (" …" if len(use.absent) > _SHOWN else "")
    return keys if use.is_complete else f"{keys or ''} (before the history begins)".strip()


def _columns(columns: Sequence[InputColumn]) -> str:
    return ", ".join(f"{asset.rpartition('/')[2]}.{column}" for asset, column in columns)
