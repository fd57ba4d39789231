"""How a commit becomes a Delta commit: replaced slices, transactions, metadata, file format."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

import polars as pl
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError

from ...contract.document import digest
from .commit_log import DOCUMENT, ENTRIES, Commit, CommitLog
from .entity_buckets import entity_buckets
from .table_spec import BUCKET_COLUMN, TableSpec

PROPERTIES = {
    # Identities, verdicts and committed_at live in the log: it must not expire.
    "delta.logRetentionDuration": "interval 36500 days",
}
ROW_GROUP_ROWS = 131_072
# Commits of other partitions are retried inside delta-rs; those of the same one fail at once.
_RETRIES = 100


def application(partition: str) -> str:
    """The Delta application whose transactions count a partition's generations."""
    return f"headrace/{partition}"


def create(
    uri: str,
    schema: pl.Schema,
    storage_options: Mapping[str, str],
    *,
    partition_by: Sequence[str] = (),
    properties: Mapping[str, str] | None = None,
) -> None:
    """Create a table unless there is one; processes may do so at the same time."""
    # A retried creation would be a second one, which aborts the writers that saw the first.
    with suppress(CommitFailedError):
        DeltaTable.create(
            uri,
            Schema.from_arrow(schema),
            mode="ignore",
            partition_by=list(partition_by),
            configuration={**PROPERTIES, **(properties or {})},
            storage_options=dict(storage_options),
            commit_properties=CommitProperties(max_commit_retries=0),
            raise_if_key_not_exists=False,
        )


def write(
    spec: TableSpec,
    log: CommitLog,
    handle: DeltaTable,
    wanted: Sequence[tuple[Commit, pl.DataFrame]],
) -> None:
    """Replace the partitions of these commits by their rows, in one Delta version.

    Args:
        spec: The table's shape.
        log: Says which document the log holds already.
        handle: The table at the version that the generations were counted from.
        wanted: Commits with their rows, which are checked and sorted.
    """
    commits = [commit for commit, _ in wanted]
    write_deltalake(
        handle,
        # As classic Arrow: the string views of polars would be recorded in the files, and readers
        # that go by what is recorded there (pyarrow, so pyiceberg) cannot filter views.
        pl.concat([_with_copies(spec, commit, rows) for commit, rows in wanted]).to_arrow(),
        mode="overwrite",
        predicate=_predicate(spec, commits),
        schema_mode="merge",
        writer_properties=_writer_properties(spec),
        commit_properties=CommitProperties(
            custom_metadata={
                ENTRIES: json.dumps([commit.to_entry() for commit in commits]),
                **_unknown_document(spec, log),
            },
            app_transactions=[
                Transaction(application(commit.partition), commit.generation) for commit in commits
            ],
            max_commit_retries=_RETRIES,
        ),
    )


def declare(spec: TableSpec, log: CommitLog, handle: DeltaTable) -> None:
    """Record a document that changed without a computation: a longer TTL, another owner.

    A feature that it adds becomes a column of the table, null in every row so far.
    """
    if spec.document is None or log.document(handle.version()) == spec.document:
        return
    write_deltalake(
        handle,
        pl.DataFrame(schema=spec.stored_schema),
        mode="append",
        schema_mode="merge",
        commit_properties=CommitProperties(custom_metadata={DOCUMENT: spec.document.decode()}),
    )


def rewrite(
    spec: TableSpec,
    handle: DeltaTable,
    frame: pl.DataFrame,
    *,
    predicate: str | None,
    target_bytes: int,
) -> None:
    """Put the same rows of some slices into other files; computes nothing, so no entries.

    Args:
        spec: The table's shape, with the columns as they are stored.
        handle: The table at the version that the rows were read from.
        frame: All rows of the slices with the partition columns, sorted.
        predicate: What selects exactly these slices; `None` for all of a table without partitions.
        target_bytes: The size at which a new file begins.

    Raises:
        CommitFailedError: Somebody committed to one of the slices since that version.
    """
    write_deltalake(
        handle,
        frame.to_arrow(),
        mode="overwrite",
        predicate=predicate,
        target_file_size=target_bytes,
        writer_properties=_writer_properties(spec),
        commit_properties=CommitProperties(max_commit_retries=_RETRIES),
    )


def quoted(text: str) -> str:
    """A text as a predicate spells it."""
    return "'" + text.replace("'", "''") + "'"


def _with_copies(spec: TableSpec, commit: Commit, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the partition columns: copies, as readers of bare files need the real ones."""
    if spec.partitioning is not None:
        rows = rows.with_columns(pl.lit(commit.partition).alias(spec.partitioning.column))
    if BUCKET_COLUMN in spec.partition_columns:
        rows = rows.with_columns(entity_buckets(rows, spec.key, spec.buckets))
    return rows


def _predicate(spec: TableSpec, commits: Sequence[Commit]) -> str | None:
    if spec.partitioning is None:
        return None
    keys = ", ".join(quoted(commit.partition) for commit in commits)
    return f"{spec.partitioning.column} IN ({keys})"


def _unknown_document(spec: TableSpec, log: CommitLog) -> dict[str, str]:
    if spec.document is None or digest(spec.document) in log.documents:
        return {}
    return {DOCUMENT: spec.document.decode()}


def _writer_properties(spec: TableSpec) -> WriterProperties:
    # Dictionaries pay for repeated strings; for floats they cost a third of the writing time.
    # Statistics by page help to find keys, which files are sorted by; features have a chunk's.
    columns = {
        name: ColumnProperties(
            dictionary_enabled=dtype == pl.String(),
            statistics_enabled="PAGE" if name in spec.order else "CHUNK",
        )
        for name, dtype in spec.columns
        if dtype == pl.String() or name in spec.order
    }
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        max_row_group_size=ROW_GROUP_ROWS,
        default_column_properties=ColumnProperties(
            dictionary_enabled=False, statistics_enabled="CHUNK"
        ),
        column_properties=columns or None,
    )
