"""The rules of a schema by severity: those that block, and those that only warn.

A rule warns if its pandera check says `raise_warning=True`. pandera would then print a warning and
forget which rows it was about; here all checks are made as errors, and severity is ours to apply.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import pandera.polars as pa

from .schemas import Schema


@dataclass(frozen=True, slots=True)
class Rules:
    """A schema with all rules, and with those that block; one and the same when none warns."""

    all: pa.DataFrameSchema
    blocking: pa.DataFrameSchema


@cache
def rules_of(schema: Schema) -> Rules:
    """The rules of a schema, each reporting what breaks it."""
    declared = schema.to_schema()
    if not any(check.raise_warning for check in _checks(declared)):
        return Rules(declared, declared)
    every, blocking = deepcopy(declared), deepcopy(declared)
    for check in _checks(every):
        check.raise_warning = False
    for part in (blocking, *blocking.columns.values()):
        part.checks = [check for check in part.checks if not check.raise_warning]
    return Rules(every, blocking)


def schema_in_words(columns: Mapping[str, pa.Column]) -> tuple[str, ...]:
    """What a code version has to know about a schema: types, nullability and checks."""
    return tuple(
        f"{name}: {column.dtype} {column.nullable} {column.unique} {_in_words(column.checks)}"
        for name, column in columns.items()
    )


def rule_in_words(check: pa.Check) -> str:
    """A rule as people read it, with its severity when that is to warn."""
    return f"{check.error or check.name}{' (warns)' if check.raise_warning else ''}"


def _in_words(checks: Sequence[pa.Check]) -> str:
    warning = [str(check.name) for check in checks if check.raise_warning]
    return f"{checks}{f' {warning} warn' if warning else ''}"


def _checks(schema: pa.DataFrameSchema) -> list[pa.Check]:
    columns = schema.columns.values()
    return [*schema.checks, *(check for column in columns for check in column.checks)]
