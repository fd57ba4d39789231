"""Tables that are kept beside another one: what was refused of it, and what waits for approval.

They lie at the other's path with an ending of their own, so that no reader of feature tables, no
publisher and no training set ever finds them.
"""

from dataclasses import replace

import polars as pl

from .table_spec import EVENT_TIMESTAMP_TYPE, TableKind, TableSpec

QUARANTINE = "quarantine"
HELD = "held"

ROW = "quarantine_row"
REASONS = "quarantine_reasons"
RUN_ID = "quarantine_run_id"
QUARANTINED_AT = "quarantined_at"
REASONS_TYPE = pl.List(pl.Struct({"rule": pl.String(), "column": pl.String()}))
_ADDED = (
    (ROW, pl.Int64()),
    (REASONS, REASONS_TYPE),
    (RUN_ID, pl.String()),
    (QUARANTINED_AT, EVENT_TIMESTAMP_TYPE),
)
QUARANTINE_COLUMNS = frozenset(name for name, _ in _ADDED)


def quarantine_table(table: TableSpec) -> TableSpec:
    """The table of the rows that were refused of another one, with the same partitions.

    Its columns are the other's and four more: the row's number in its partition as it was offered
    (from 0), the reasons, each a rule and a column (null for a rule about whole rows, or about the
    frame), the run, and when.
    """
    return TableSpec(
        kind=TableKind.PLAIN,
        name=f"{table.name}_{QUARANTINE}",
        version=table.version,
        columns=(*table.columns, *_ADDED),
        partitioning=table.partitioning,
        event_timestamp=None,
        stamped_at_end=False,
        key=(),
        beside=(table.path, QUARANTINE),
    )


def held_table(table: TableSpec) -> TableSpec:
    """The table of the partitions of another one that wait for approval; the same rows, no more."""
    return replace(
        table,
        kind=TableKind.PLAIN,
        name=f"{table.name}_{HELD}",
        buckets=1,
        document=None,
        beside=(table.path, HELD),
    )
