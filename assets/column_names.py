"""How a column may be named."""

import re
from collections.abc import Iterable

from ..contract.errors import DefinitionError
from ..contract.partitions import RESERVED_COLUMNS
from ..resources.offline.tables_beside import QUARANTINE_COLUMNS

_NOT_IN_DELTA = " ,;{}()\n\t="
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")


def check_stored_name(subject: str, field: str, column: str) -> None:
    """Refuse a column name that no table of ours can have."""
    lower = column.lower()
    if lower in RESERVED_COLUMNS | QUARANTINE_COLUMNS:
        of = "partition column" if lower in RESERVED_COLUMNS else "column of every quarantine"
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"the name is that of a {of}",
            remedy="Choose another name",
        )
    if not set(column).isdisjoint(_NOT_IN_DELTA):
        raise DefinitionError(
            subject=subject,
            field=field,
            problem="no Delta table has a column of this name",
            remedy=f"Rename it in the reader: none of {_NOT_IN_DELTA!r} may be in it",
        )


def check_distinct(subject: str, field: str, columns: Iterable[str]) -> None:
    """Refuse names of one table that differ in case alone."""
    first: dict[str, str] = {}
    for column in columns:
        other = first.setdefault(str(column).lower(), column)
        if other != column:
            raise DefinitionError(
                subject=subject,
                field=field,
                problem=f"{column!r} differs from {other!r} in case alone,"
                " and Delta takes both for one",
                remedy="Choose another name",
            )


def check_column_name(subject: str, field: str, column: str) -> None:
    """Refuse a column name that is taken, or that would make `group__feature` ambiguous."""
    check_stored_name(subject, field, str(column))
    if not isinstance(column, str) or not _COLUMN.fullmatch(column):
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"{column!r} is no column name",
            remedy="Use letters and digits, joined by single underscores",
        )
