"""Materializing what is declared, without Dagster: read pinned inputs, compute, judge, commit.

The commit is the gate. A partition whose rows break a rule is not committed and what was there
stays; the others of the same call go on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import polars as pl

from ..contract.errors import (
    ColumnMismatchError,
    DataError,
    InputNotCommittedError,
    SchemaChangeError,
)
from ..contract.feature_group import Online
from ..resources.offline.commit_log import Commit
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.row_checks import checked
from ..resources.offline.table_snapshot import TableSnapshot
from ..resources.offline.table_spec import EVENT_TIMESTAMP
from .author_frames import function_failed
from .declarations import Dimension, FeatureGroup, Source
from .held import HeldPartitions
from .identity import computed_identity
from .ingestion import ingest_dimension, ingest_source
from .input_use import InputUse
from .model_inputs import TrainingSet
from .outcomes import Outcome, Pending, Run, Stopwatch, commit_all
from .pinned_inputs import PinnedInputs, subject
from .training.building import build_training_set
from .verdicts import Judged, Verdict, judge, refusal, verdict_from_json

Rows: TypeAlias = Callable[[str], pl.DataFrame]
Materialized: TypeAlias = Source | Dimension | FeatureGroup | TrainingSet


@dataclass(frozen=True, slots=True)
class Preview:
    """A partition as it would be committed, and what would be said about it."""

    rows: pl.DataFrame
    verdict: Verdict
    uses: tuple[InputUse, ...]


def materialize(declared: Materialized, partitions: Sequence[str], run: Run) -> Iterator[Outcome]:
    """Compute and commit partitions, in time's order, yielding each outcome as soon as it is there.

    Repeating a call whose inputs, code and rows have not changed commits nothing. A dimension has
    no partitions: it is read as a whole, whatever keys are given.

    Raises:
        StoreError: The offline store cannot be read or written; what was yielded is committed.
    """
    if isinstance(declared, Source):
        yield from ingest_source(declared, partitions, run)
    elif isinstance(declared, Dimension):
        yield from ingest_dimension(declared, run)
    elif isinstance(declared, TrainingSet):
        yield from build_training_set(declared, partitions, run)
    else:
        yield from _compute_group(declared, partitions, run)


def materialize_partition(declared: Materialized, partition: str, run: Run) -> Outcome:
    """Compute and commit one partition, as `materialize` does."""
    return next(materialize(declared, [partition], run))


def preview(group: FeatureGroup, partition: str, store: OfflineStore) -> Preview:
    """Compute a partition from what is committed, and write nothing.

    Raises:
        InputNotCommittedError: Its newest input is not there.
        FunctionFailedError: The group's function raised something.
    """
    inputs = PinnedInputs.of(group, store)
    inputs.check(partition)
    frames = inputs.frames(partition)
    try:
        judged = judged_as_committed(group, partition, frames)
    except Exception as error:
        raise function_failed(error, group.function) from error
    return Preview(judged.rows, judged.verdict, inputs.uses(partition))


def judged_as_committed(
    group: FeatureGroup, partition: str, frames: Mapping[str, pl.LazyFrame]
) -> Judged:
    """The rows of a partition as they would be committed, if the verdict lets them.

    Raises:
        Exception: Whatever the group's function raises.
    """
    judged = _judged(group, partition, _rows(group, partition, frames))
    if not judged.verdict.passed:
        return judged
    try:
        return replace(judged, rows=checked(group.table, partition, judged.rows))
    except DataError as error:
        return refusal(error, judged.rows, group.table, partition)


def _compute_group(group: FeatureGroup, partitions: Sequence[str], run: Run) -> Iterator[Outcome]:
    inputs = PinnedInputs.of(group, run.store)
    rows_of = partial(computed_rows, group, inputs)
    yield from commit_group(group, partitions, run, inputs=inputs, rows_of=rows_of)


def commit_group(
    group: FeatureGroup,
    partitions: Sequence[str],
    run: Run,
    *,
    inputs: PinnedInputs,
    rows_of: Rows,
) -> Iterator[Outcome]:
    """Judge and commit, or hold, partitions of a group whose rows are computed as `rows_of` says.

    It is asked for those partitions alone that are not there from these inputs already.
    """
    table = run.store.table(group.table)
    held = HeldPartitions.beside(group.table, run.store) if group.approval else None
    known = _Known(table.snapshot(), {} if held is None else held.waiting())
    if held is not None and known.committed.document not in {None, group.table.document}:
        # What is held commits nothing, so it would not be said that the group changed, or may not.
        try:
            table.commit_all([], run_id=run.run_id, code_version=group.code_version)
        except SchemaChangeError as error:
            yield from (Outcome(partition=key, seconds=0.0, error=error) for key in partitions)
            return
    computed = (_computed(group, key, inputs, known, rows_of=rows_of) for key in sorted(partitions))
    yield from commit_all(computed, run, table, group.code_version, held=held)


def computed_rows(group: FeatureGroup, inputs: PinnedInputs, partition: str) -> pl.DataFrame:
    """What a group's function makes of a partition's inputs.

    Raises:
        Exception: Whatever the function raises.
    """
    return _rows(group, partition, inputs.frames(partition))


def _rows(group: FeatureGroup, partition: str, frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    end = group.partitions.window(partition).end
    return group(end=end, **frames).collect(engine="streaming")


def is_current(group: FeatureGroup, partition: str, identity: str, at: TableSnapshot) -> bool:
    """Whether a partition's newest commit is that very computation: there is nothing to do then.

    A document that changed is recorded by a call that commits, even if no rows are written; of a
    group whose partitions are held it was recorded before.
    """
    newest = at.commits.get(partition)
    is_declared = group.approval or at.document == group.table.document
    return newest is not None and newest.identity == identity and is_declared


@dataclass(frozen=True, slots=True)
class _Known:
    """What is committed of a group, and what waits to be."""

    committed: TableSnapshot
    waiting: Mapping[str, Commit]

    def repeated(self, group: FeatureGroup, identity: str, outcome: Outcome) -> Outcome | None:
        """The outcome, if its rows are there already: committed, or held."""
        if is_current(group, outcome.partition, identity, self.committed):
            newest = self.committed.commits[outcome.partition]
            verdict = verdict_from_json(newest.verdicts)
            return replace(outcome, commit=replace(newest, no_op=True), verdict=verdict)
        held = self.waiting.get(outcome.partition)
        if held and held.identity == identity:
            verdict = verdict_from_json(held.verdicts)
            return replace(outcome, held=replace(held, no_op=True), verdict=verdict)
        return None


def _computed(
    group: FeatureGroup, partition: str, inputs: PinnedInputs, known: _Known, *, rows_of: Rows
) -> Pending:
    elapsed = Stopwatch()
    try:
        inputs.check(partition)
    except InputNotCommittedError as error:
        return Pending(Outcome(partition=partition, seconds=elapsed(), error=error))
    uses = inputs.uses(partition)
    identity = computed_identity(group, uses)
    outcome = Outcome(partition=partition, seconds=elapsed(), uses=uses)
    repeated = known.repeated(group, identity, outcome)
    if repeated is not None:
        return Pending(repeated)
    try:
        judged = _judged(group, partition, rows_of(partition))
    except Exception as error:  # noqa: BLE001 - the function is its author's: it may raise anything
        said = function_failed(error, group.function)
        said.__cause__ = None if said is error else error
        return Pending(replace(outcome, seconds=elapsed(), error=said))
    outcome = replace(outcome, seconds=elapsed(), verdict=judged.verdict)
    if not judged.verdict.passed:
        return Pending(outcome, refused=judged.refused)
    return Pending(outcome, judged.rows, identity)


def _judged(group: FeatureGroup, partition: str, rows: pl.DataFrame) -> Judged:
    judged = judge(group.schema, rows)
    if not judged.verdict.passed:
        return judged
    try:
        return replace(judged, rows=_stamped(group, judged.rows, partition))
    except ColumnMismatchError as error:
        return refusal(error, judged.rows, group.table, partition)


def _stamped(group: FeatureGroup, rows: pl.DataFrame, partition: str) -> pl.DataFrame:
    """A snapshot's rows are the truth at their partition's end: the platform says so."""
    if group.spec.online is Online.UPSERT:
        return rows
    if EVENT_TIMESTAMP in rows.columns:
        raise ColumnMismatchError(
            table=subject(group),
            differences=[f"{EVENT_TIMESTAMP} is unexpected: the platform stamps it"],
        )
    stamp = pl.lit(group.partitions.window(partition).end).cast(group.table.schema[EVENT_TIMESTAMP])
    return rows.with_columns(stamp.alias(EVENT_TIMESTAMP))
