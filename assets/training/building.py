"""Building training sets: spines of labels, with features as they were known at their times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from ...contract.errors import InputNotCommittedError
from ...resources.offline.commit_log import Commit
from ...resources.offline.receipt_store import ReceiptStore
from ...resources.offline.table_snapshot import TableSnapshot
from ..held import held_among
from ..identity import content_identity
from ..model_inputs import TrainingSet
from ..outcomes import RECEIPT, Outcome, Pending, Run, Stopwatch, commit_all
from ..pinned_inputs import PinnedInputs, asset_name, reference_of, subject
from ..point_in_time import keep, training_frame
from ..verdicts import Verdict
from .receipts import Receipt


def build_training_set(
    training_set: TrainingSet, partitions: Sequence[str], run: Run
) -> Iterator[Outcome]:
    """Build partitions in time's order, and commit those whose rows changed.

    What is committed names its receipt in the commit, and the offline store keeps it. The same
    rows again commit nothing, and their outcome bears the receipt that they were committed with.
    """
    table = run.store.table(training_set.table)
    inputs = PinnedInputs.of(training_set, run.store)
    builder = _Builder(training_set, inputs, table.snapshot(), run)
    built = (builder.built(key) for key in sorted(partitions))
    yield from commit_all(built, run, table, training_set.code_version)


@dataclass(frozen=True, slots=True)
class _Builder:
    training_set: TrainingSet
    inputs: PinnedInputs
    committed: TableSnapshot
    run: Run

    def built(self, partition: str) -> Pending:
        elapsed = Stopwatch()
        try:
            self.inputs.check(partition)
            _check_features(self.training_set, partition, self.run)
        except InputNotCommittedError as error:
            return Pending(Outcome(partition=partition, seconds=elapsed(), error=error))
        outcome = Outcome(partition=partition, seconds=elapsed(), uses=self.inputs.uses(partition))
        end = self.training_set.partitions.window(partition).end
        try:
            spine = self.training_set(end=end, **self.inputs.frames(partition)).collect()
        except Exception as error:  # noqa: BLE001 - the function is its author's: it may raise anything
            return Pending(replace(outcome, seconds=elapsed(), error=error))
        features = self.training_set.service
        rows, made_of = training_frame(spine, features, self.run.store, keep_receipt=False)
        identity = content_identity(rows, code_version=self.training_set.code_version)
        receipt = self._receipt(partition, identity, made_of, spine)
        outcome = replace(outcome, seconds=elapsed(), verdict=Verdict(rows.height), receipt=receipt)
        return Pending(outcome, rows, identity)

    def _receipt(
        self, partition: str, identity: str, made_of: Receipt, spine: pl.DataFrame
    ) -> Receipt | None:
        """The receipt of the rows that the partition holds after this; `None` if it was removed."""
        newest = self.committed.commits.get(partition)
        if newest is None or newest.identity != identity:
            # Before the commit: whoever finds rows finds what they were made of.
            keep(made_of, spine, self.run.store)
            return made_of
        # What was made now may be in another order, of later versions that nobody needs to keep.
        return _kept(newest, self.run)


def _kept(commit: Commit, run: Run) -> Receipt | None:
    name = commit.verdicts.get(RECEIPT)
    text = None if name is None else ReceiptStore(run.store).read(str(name))
    return None if text is None else Receipt.from_json(text)


def _check_features(training_set: TrainingSet, partition: str, run: Run) -> None:
    """Refuse to train on columns of nulls because nothing was computed yet."""
    for feature in training_set.service.features:
        if not run.store.table(feature.group.table).snapshot().commits:
            raise InputNotCommittedError(
                subject=subject(training_set),
                partition=partition,
                asset=asset_name(feature.group),
                absent=(),
                held=held_among(None, feature.group, run.store),
                reference=reference_of(feature.group),
            )
