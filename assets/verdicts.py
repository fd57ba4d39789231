"""What a partition's rows are judged by before they may be committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from ..contract.errors import DataError
from .schemas import Schema


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that rows broke.

    Attributes:
        column: The column that the rule is about; `None` for a rule about whole rows.
        count: How many values broke it; 1 when it is about the column itself (missing, wrong type).
            `None` when the table refused the rows, and `rule` says why.
    """

    rule: str
    column: str | None
    count: int | None

    def __str__(self) -> str:
        """As a message lists it."""
        if self.count is None:
            return self.rule
        return f"{self.rule}{f' of {self.column}' if self.column else ''} ({self.count}×)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about a partition; it passed iff nothing was breached."""

    rows: int
    breaches: tuple[Breach, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the rows may be committed."""
        return not self.breaches

    def __str__(self) -> str:
        """One line that says how many rows broke which rules."""
        if self.passed:
            return f"{self.rows} rows keep every rule"
        broken = "; ".join(map(str, self.breaches))
        return broken if self.breaches[0].count is None else f"{self.rows} rows break {broken}"

    def to_json(self) -> dict[str, Any]:
        """Its form in a commit's metadata; holds counts and rules, never values."""
        return {
            "rows": self.rows,
            "passed": self.passed,
            "breaches": [
                {"rule": breach.rule, "column": breach.column, "count": breach.count}
                for breach in self.breaches
            ],
        }


def verdict_from_json(found: Mapping[str, Any]) -> Verdict:
    """The verdict that stands in a commit's metadata."""
    return Verdict(
        found["rows"],
        tuple(Breach(each["rule"], each["column"], each["count"]) for each in found["breaches"]),
    )


def judge(schema: Schema, frame: pl.DataFrame) -> tuple[Verdict, pl.DataFrame]:
    """Hold rows against a schema: types, nulls and every check on values.

    Returns:
        The verdict, and the rows as the schema leaves them (its parsers may change them).
    """
    # pandera can be told by environment variables to look at types alone, or at nothing.
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            judged = schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            return Verdict(frame.height, _breaches(errors.failure_cases)), frame
    return Verdict(judged.height), judged


def refusal(error: DataError, *, rows: int) -> Verdict:
    """The verdict of an offline table that refused rows."""
    return Verdict(rows, (Breach(str(error), None, None),))


def _breaches(cases: pl.DataFrame) -> tuple[Breach, ...]:
    # A missing column is named as the failure case; the column is then the schema's name.
    about_rows = pl.col("schema_context") == "DataFrameSchema"
    column = pl.when(about_rows).then(None).otherwise(pl.col("column"))
    missing = pl.col("check").is_in(["column_in_dataframe", "column_in_schema"])
    counted = (
        cases.with_columns(column=pl.when(missing).then(pl.col("failure_case")).otherwise(column))
        .group_by("check", "column", maintain_order=True)
        .len()
    )
    return tuple(Breach(check, column, count) for check, column, count in counted.iter_rows())
