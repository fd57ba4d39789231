"""What comes of computing partitions, and the gate through which their rows are committed."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import polars as pl

from ..contract.errors import DataError
from ..resources.offline.commit_log import Commit
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.offline_table import Computation, OfflineTable
from .pinned_inputs import InputUse
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
    """What came of one partition: committed, refused by its verdict, or failed before it had rows.

    Attributes:
        seconds: How long it took to compute.
        commit: The partition's newest commit, when what was computed is what it holds.
        verdict: What was found about the rows; `None` when there were none to judge.
        error: Why there were none: an input is not there, or the author's function raised it.
        uses: The inputs as they were read.
        receipt: Of a training set: what it takes to build the rows that it holds again.
    """

    partition: str
    seconds: float
    commit: Commit | None = None
    verdict: Verdict | None = None
    error: Exception | None = None
    uses: tuple[InputUse, ...] = ()
    receipt: Receipt | None = None

    @property
    def reason(self) -> str:
        """Why nothing was committed, in one line."""
        if self.error is None:
            return str(self.verdict)
        kind = "" if isinstance(self.error, DataError) else f"{type(self.error).__name__}: "
        return f"{kind}{self.error}"


@dataclass(frozen=True, slots=True)
class Pending:
    """An outcome, and the rows that are still to be committed; `None` where there are none."""

    outcome: Outcome
    rows: pl.DataFrame | None = None
    identity: str = ""


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def __call__(self) -> float:
        """Read it."""
        return time.perf_counter() - self._started


def commit_all(
    computed: Iterable[Pending], run: Run, table: OfflineTable, code_version: str
) -> Iterator[Outcome]:
    """Commit what is computed, several partitions to a version, and yield the outcomes in order.

    Rows that the table refuses keep nobody else's from being committed: that becomes their verdict.

    Raises:
        StoreError: The offline store broke off; what was yielded is committed.
    """
    batch: list[Pending] = []
    rows = 0
    for each in computed:
        batch.append(each)
        rows += 0 if each.rows is None else each.rows.height
        if len(batch) >= _TOGETHER or rows >= _ROWS_TOGETHER:
            yield from _committed(batch, run, table, code_version)
            batch, rows = [], 0
    yield from _committed(batch, run, table, code_version)


def _committed(
    batch: list[Pending], run: Run, table: OfflineTable, code_version: str
) -> list[Outcome]:
    computations = [
        Computation(each.outcome.partition, each.rows, each.identity, _record(each))
        for each in batch
        if each.rows is not None
    ]
    if not computations:
        return [each.outcome for each in batch]
    try:
        commits = table.commit_all(
            computations, run_id=run.run_id, code_version=code_version, publish=run.publish
        )
    except DataError as error:
        if len(batch) == 1:
            verdict = refusal(error, rows=_verdict(batch[0]).rows)
            return [replace(batch[0].outcome, verdict=verdict)]
        singly = (_committed([each], run, table, code_version) for each in batch)
        return [outcome for outcomes in singly for outcome in outcomes]
    made = {commit.partition: commit for commit in commits}
    return [
        replace(each.outcome, commit=made.get(each.outcome.partition, each.outcome.commit))
        for each in batch
    ]


def _record(each: Pending) -> dict[str, Any]:
    """What the commit's metadata says of the rows: the verdict, and the receipt's id, if any."""
    verdict = _verdict(each).to_json()
    receipt = each.outcome.receipt
    return verdict if receipt is None else {**verdict, RECEIPT: receipt.id}


def _verdict(each: Pending) -> Verdict:
    return each.outcome.verdict or Verdict(0)
