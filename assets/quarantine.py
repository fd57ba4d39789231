"""Rows that kept their partition from being committed, kept where people can look at them."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from ..contract.errors import SchemaChangeError
from ..resources.offline.commit_log import Commit
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.offline_table import Computation, OfflineTable
from ..resources.offline.table_spec import TableSpec
from ..resources.offline.tables_beside import QUARANTINED_AT, RUN_ID, quarantine_table
from .verdicts import Verdict

_KEPT = 100_000  # rows of a partition, at most; its verdict counts all


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The refused rows of one table, in a table beside it.

    A partition's rows are there from when it was refused until it is refused anew, which replaces
    them, or found good, which removes them. The quarantine's own log keeps all verdicts.
    """

    table: OfflineTable

    @classmethod
    def beside(cls, table: TableSpec, store: OfflineStore) -> "Quarantine":
        """The quarantine of a table; it is created when something is refused for the first time."""
        return cls(store.table(quarantine_table(table)))

    def commits(self) -> Mapping[str, Commit]:
        """The partitions that have quarantined rows, with their counts and verdicts."""
        commits = self.table.snapshot().commits
        return {key: commit for key, commit in commits.items() if commit.rows}

    def settle(
        self,
        refused: Mapping[str, tuple[Verdict, pl.DataFrame]],
        good: Iterable[str],
        *,
        run_id: str,
        code_version: str,
    ) -> Mapping[str, int]:
        """Keep the rows of partitions that were refused, and let go those of good ones.

        One Delta version at most, and none when there is nothing to change.

        Returns:
            How many rows are kept of each refused partition: none where the declared columns are no
            longer those of the rows that were refused before.
        """
        healed = [] if not self.table.exists() else sorted(set(good) & set(self.commits()))
        now = datetime.now(UTC)
        kept = [
            self._computation(key, _kept(self.table.spec, rows, run_id, now), verdict)
            for key, (verdict, rows) in refused.items()
        ]
        empty = pl.DataFrame(schema=self.table.spec.schema)
        freed = [self._computation(key, empty, Verdict(0)) for key in healed]
        if not kept and not freed:
            return {}
        try:
            commits = self.table.commit_all(
                [*kept, *freed], run_id=run_id, code_version=code_version
            )
        except SchemaChangeError:
            return {}
        return {commit.partition: commit.rows for commit in commits}

    @staticmethod
    def _computation(partition: str, rows: pl.DataFrame, verdict: Verdict) -> Computation:
        # Every refusal is a state of its own: no identity ever repeats.
        return Computation(partition, rows, uuid.uuid4().hex, verdict.to_json())


def _kept(spec: TableSpec, rows: pl.DataFrame, run_id: str, now: datetime) -> pl.DataFrame:
    """Rows in the quarantine's columns; null where a value is not of the declared type."""
    rows = rows.head(_KEPT).with_columns(
        pl.lit(run_id).alias(RUN_ID),
        pl.lit(now).cast(spec.schema[QUARANTINED_AT]).alias(QUARANTINED_AT),
    )
    return pl.DataFrame([_as_declared(rows, name, dtype) for name, dtype in spec.columns])


def _as_declared(rows: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    missing = pl.Series(name, [None], dtype).new_from_index(0, rows.height)
    if name not in rows.columns:
        return missing
    try:
        return rows[name].cast(dtype, strict=False)
    except pl.exceptions.PolarsError:
        return missing
