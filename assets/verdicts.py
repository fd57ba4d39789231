"""What a partition's rows are judged by before they may be committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from ..contract.errors import DataError
from ..resources.offline.row_checks import refused_rows
from ..resources.offline.table_spec import TableSpec
from ..resources.offline.tables_beside import REASONS, REASONS_TYPE, ROW
from .rules import rules_of
from .schemas import Schema

Severity: TypeAlias = Literal["block", "warn"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that rows broke.

    Attributes:
        column: The column that the rule is about; `None` for a rule about whole rows.
        count: How many values broke it; 1 when it is about the column itself (missing, wrong type).
            `None` when the table refused the rows, and `rule` says why.
        severity: `"block"` keeps the partition from being committed, `"warn"` does not.
    """

    rule: str
    column: str | None
    count: int | None
    severity: Severity = "block"

    def __str__(self) -> str:
        """As a message lists it."""
        if self.count is None:
            return self.rule
        return f"{self.rule}{f' of {self.column}' if self.column else ''} ({self.count:,}×)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about a partition; it passed iff nothing was breached that blocks."""

    rows: int
    breaches: tuple[Breach, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the rows may be committed."""
        return not self.blocking

    @property
    def blocking(self) -> tuple[Breach, ...]:
        """Why they may not."""
        return tuple(breach for breach in self.breaches if breach.severity == "block")

    def __str__(self) -> str:
        """One line that says how many rows broke which rules."""
        if not self.breaches:
            return f"{self.rows:,} rows keep every rule"
        broken = "; ".join(map(str, self.blocking or self.breaches))
        if self.passed:
            return f"{self.rows:,} rows, warning: some break {broken}"
        return (
            broken
            if self.blocking[0].count is None
            else f"some of {self.rows:,} rows break {broken}"
        )

    def to_json(self) -> dict[str, Any]:
        """Its form in a commit's metadata; holds counts and rules, never values."""
        return {
            "rows": self.rows,
            "passed": self.passed,
            "breaches": [
                {
                    "rule": breach.rule,
                    "column": breach.column,
                    "count": breach.count,
                    "severity": breach.severity,
                }
                for breach in self.breaches
            ],
        }


def verdict_from_json(found: Mapping[str, Any]) -> Verdict:
    """The verdict that stands in a commit's metadata; before there were severities, all blocked."""
    return Verdict(
        found["rows"],
        tuple(
            Breach(each["rule"], each["column"], each["count"], each.get("severity", "block"))
            for each in found["breaches"]
        ),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found about a partition.

    Attributes:
        rows: As the schema leaves them.
        refused: Those of them that keep the partition from being committed, as they were offered,
            with their numbers and reasons in the columns that a quarantine has.
    """

    verdict: Verdict
    rows: pl.DataFrame
    refused: pl.DataFrame | None = None


def judge(schema: Schema, frame: pl.DataFrame) -> Judged:
    """Hold rows against a schema: types, nulls and every check on values.

    They are gone through once; when something is found and the schema has rules that only warn, a
    second time without those.
    """
    rules = rules_of(schema)
    # pandera can be told by environment variables to look at types alone, or at nothing.
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            rows = rules.all.validate(frame, lazy=True)
            return Judged(Verdict(rows.height), rows)
        except SchemaErrors as errors:
            found = blocking = _tidy(errors.failure_cases)
        if rules.blocking is not rules.all:
            try:
                rows = rules.blocking.validate(frame, lazy=True)
            except SchemaErrors as errors:
                blocking = _tidy(errors.failure_cases)
            else:
                return Judged(Verdict(rows.height, _breaches(found, blocking.clear())), rows)
    verdict = Verdict(frame.height, _breaches(found, blocking))
    return Judged(verdict, frame, _refused(frame, blocking))


def refusal(error: DataError, rows: pl.DataFrame, table: TableSpec, partition: str) -> Judged:
    """What an offline table found that refused rows."""
    breach = Breach(str(error), None, None)
    wrong = refused_rows(table, partition, rows, error)
    reasons = [{"rule": breach.rule, "column": breach.column}]
    refused = (
        _numbered(rows)
        .filter(wrong)
        .with_columns(pl.lit(reasons, dtype=REASONS_TYPE).alias(REASONS))
    )
    return Judged(Verdict(rows.height, (breach,)), rows, refused)


def _tidy(cases: pl.DataFrame) -> pl.DataFrame:
    """Failure cases as rule, column and row number; null where they are about all rows."""
    # A missing column is named as the failure case; the column is then the schema's name.
    about_rows = pl.col("schema_context") == "DataFrameSchema"
    column = pl.when(about_rows).then(None).otherwise(pl.col("column"))
    missing = pl.col("check").is_in(["column_in_dataframe", "column_in_schema"])
    return cases.select(
        rule=pl.col("check"),
        column=pl.when(missing).then(pl.col("failure_case")).otherwise(column),
        row=pl.col("index").cast(pl.Int64),
    )


def _breaches(found: pl.DataFrame, blocking: pl.DataFrame) -> tuple[Breach, ...]:
    blocked = set(blocking.select("rule", "column").iter_rows())
    counted = found.group_by("rule", "column", maintain_order=True).len()
    return tuple(
        Breach(rule, column, count, "block" if (rule, column) in blocked else "warn")
        for rule, column, count in counted.iter_rows()
    )


def _refused(frame: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """The rows that broke rules; all of them, if nothing that is wrong is about single ones."""
    reason = pl.struct("rule", "column")
    common = cases.filter(pl.col("row").is_null()).select(reason).to_series().to_list()
    single = cases.drop_nulls("row").group_by("row", maintain_order=True).agg(reason.alias(REASONS))
    rows = _numbered(frame)
    if single.height:
        rows = rows.join(single.rename({"row": ROW}), on=ROW, maintain_order="left")
    shared = pl.lit(common, dtype=REASONS_TYPE)
    return rows.with_columns(
        shared.list.concat(REASONS) if single.height else shared.alias(REASONS)
    )


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    rows = frame.drop(ROW, REASONS, strict=False)
    return rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
