"""What comes of computing partitions, and the gate through which their rows are committed."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import polars as pl

from ..contract.errors import DataError, SchemaChangeError
from ..resources.offline.commit_log import Commit
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.offline_table import Computation, OfflineTable
from .contents import Contents, contents_of
from .held import HeldPartitions, waiting_record
from .input_use import InputUse
from .quarantine import Quarantine
from .training.receipts import Receipt
from .verdicts import Verdict, refusal

Publish: TypeAlias = Literal["auto", "deferred"]

RECEIPT = "receipt"
"""Under which name a commit's metadata holds the id of a training set's receipt."""
_TOGETHER = 32  # partitions, at most, that become one version of a table
_ROWS_TOGETHER = 500_000  # no partition is added beyond; bounds memory


@dataclass(frozen=True, slots=True)
class Run:
    """In whose name partitions are computed, and where they are committed.

    Attributes:
        publish: `"deferred"` makes feature commits wait for `headrace publish`, or a later one.
    """

    store: OfflineStore
    run_id: str
    publish: Publish = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one partition: committed, held, refused by its verdict, or failed without rows.

    Attributes:
        seconds: How long it took to compute.
        commit: The partition's newest commit, when what was computed is what it holds.
        verdict: What was found about the rows; `None` when there were none to judge.
        error: Why there were none: an input is not there, or the author's function raised it.
        uses: The inputs as they were read.
        receipt: Of a training set: what it takes to build the rows that it holds again.
        quarantined: How many of the refused rows are kept in the quarantine.
        held: What waits for approval, of a partition that may not be committed before.
        contents: What was committed, in numbers; `None` of a repetition.
    """

    partition: str
    seconds: float
    commit: Commit | None = None
    verdict: Verdict | None = None
    error: Exception | None = None
    uses: tuple[InputUse, ...] = ()
    receipt: Receipt | None = None
    quarantined: int = 0
    held: Commit | None = None
    contents: Contents | None = None

    @property
    def reason(self) -> str:
        """Why nothing was committed, in one line."""
        if self.error is None:
            return str(self.verdict)
        kind = "" if isinstance(self.error, DataError) else f"{type(self.error).__name__}: "
        return f"{kind}{self.error}"


@dataclass(frozen=True, slots=True)
class Pending:
    """An outcome, and the rows that are still to be committed; `None` where there are none.

    Attributes:
        refused: The rows for whose sake nothing is; see `Judged`.
    """

    outcome: Outcome
    rows: pl.DataFrame | None = None
    identity: str = ""
    refused: pl.DataFrame | None = None


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def __call__(self) -> float:
        """Read it."""
        return time.perf_counter() - self._started


def commit_all(
    computed: Iterable[Pending],
    run: Run,
    table: OfflineTable,
    code_version: str,
    *,
    held: HeldPartitions | None = None,
) -> Iterator[Outcome]:
    """Commit what is computed, several partitions to a version, and yield the outcomes in order.

    Rows that the table refuses keep nobody else's from being committed: that becomes their verdict.
    Rows that were refused, here or before, go to the table's quarantine. With `held` nothing is
    committed: the rows are put there, and what is committed already is no longer held.

    Raises:
        StoreError: The offline store broke off; what was yielded is committed.
    """
    gate = _Gate(run, table, code_version, held)
    quarantine = Quarantine.beside(table.spec, run.store)
    for batch in _batches(computed):
        settled = gate.settled(batch)
        outcomes = [each.outcome for each in settled]
        kept = quarantine.settle(
            {
                each.outcome.partition: (_verdict(each), each.refused)
                for each in settled
                if each.refused is not None
            },
            [each.partition for each in outcomes if each.commit or each.held],
            run_id=run.run_id,
            code_version=code_version,
        )
        if held is not None:
            committed = [each.partition for each in outcomes if each.commit is not None]
            held.release(committed, run_id=run.run_id, code_version=code_version)
        for each in outcomes:
            yield replace(each, quarantined=kept.get(each.partition, 0))


def _batches(computed: Iterable[Pending]) -> Iterator[list[Pending]]:
    """What is committed together, bounded by partitions and by rows."""
    batch: list[Pending] = []
    rows = 0
    for each in computed:
        batch.append(each)
        rows += 0 if each.rows is None else each.rows.height
        if len(batch) >= _TOGETHER or rows >= _ROWS_TOGETHER:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class _Gate:
    run: Run
    table: OfflineTable
    code_version: str
    held: HeldPartitions | None

    def settled(self, batch: list[Pending]) -> list[Pending]:
        """What a batch came to: nothing of it is still to be committed."""
        computations = [
            Computation(each.outcome.partition, each.rows, each.identity, self._record(each))
            for each in batch
            if each.rows is not None
        ]
        if not computations:
            return batch
        try:
            commits = (self.held or self).table.commit_all(
                computations,
                run_id=self.run.run_id,
                code_version=self.code_version,
                publish=self.run.publish,
            )
        except DataError as error:
            if len(batch) == 1:
                return [self._refused(batch[0], error)]
            return [pending for each in batch for pending in self.settled([each])]
        made = {commit.partition: commit for commit in commits}
        stored = self.table.stored_bytes()
        return [self._made(each, made.get(each.outcome.partition), stored) for each in batch]

    def _made(self, each: Pending, commit: Commit | None, stored: Mapping[str, int]) -> Pending:
        if commit is None or each.rows is None:
            return each
        if self.held is None:
            contents = contents_of(each.rows, stored.get(commit.partition, 0))
            return Pending(replace(each.outcome, commit=commit, contents=contents))
        return Pending(replace(each.outcome, held=commit))

    def _refused(self, each: Pending, error: DataError) -> Pending:
        if each.rows is None:
            return each
        found = refusal(error, each.rows, self.table.spec, each.outcome.partition)
        outcome = replace(each.outcome, verdict=found.verdict)
        # A schema that the table cannot follow is no fault of the rows.
        is_about_rows = not isinstance(error, SchemaChangeError)
        return Pending(outcome, refused=found.refused if is_about_rows else None)

    def _record(self, each: Pending) -> dict[str, Any]:
        """What the commit's metadata says of the rows: the verdict, a receipt's id, or inputs."""
        verdict = _verdict(each).to_json()
        receipt = each.outcome.receipt
        if self.held is not None:
            return {**verdict, **waiting_record(each.outcome.uses)}
        return verdict if receipt is None else {**verdict, RECEIPT: receipt.id}


def _verdict(each: Pending) -> Verdict:
    return each.outcome.verdict or Verdict(0)
