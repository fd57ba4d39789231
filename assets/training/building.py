"""Building training sets: spines of labels, with features as they were known at their times."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...contract.errors import InputNotCommittedError
from ..identity import content_identity
from ..model_inputs import TrainingSet
from ..outcomes import Outcome, Pending, Run, Stopwatch, commit_all
from ..pinned_inputs import PinnedInputs, asset_name, subject
from ..point_in_time import training_frame
from ..verdicts import Verdict


def build_training_set(
    training_set: TrainingSet, partitions: Sequence[str], run: Run
) -> Iterator[Outcome]:
    """Build partitions in time's order, and commit those whose rows changed."""
    inputs, table = PinnedInputs.of(training_set, run.store), run.store.table(training_set.table)
    built = (_built(training_set, key, inputs, run) for key in sorted(partitions))
    yield from commit_all(built, run, table, training_set.code_version)


def _built(training_set: TrainingSet, partition: str, inputs: PinnedInputs, run: Run) -> Pending:
    elapsed = Stopwatch()
    try:
        inputs.check(partition)
        _check_features(training_set, partition, run)
    except InputNotCommittedError as error:
        return Pending(Outcome(partition=partition, seconds=elapsed(), error=error))
    outcome = Outcome(partition=partition, seconds=elapsed(), uses=inputs.uses(partition))
    end = training_set.partitions.window(partition).end
    try:
        spine = training_set(end=end, **inputs.frames(partition)).collect()
    except Exception as error:  # noqa: BLE001 - the function is its author's: it may raise anything
        return Pending(replace(outcome, seconds=elapsed(), error=error))
    features = [str(feature.reference) for feature in training_set.service.features]
    rows, receipt = training_frame(spine, features=features, store=run.store)
    outcome = replace(
        outcome, seconds=elapsed(), verdict=Verdict(rows.height), receipt=receipt.to_json()
    )
    identity = content_identity(rows, code_version=training_set.code_version)
    return Pending(outcome, rows, identity)


def _check_features(training_set: TrainingSet, partition: str, run: Run) -> None:
    """Refuse to train on columns of nulls because nothing was computed yet."""
    for feature in training_set.service.features:
        if not run.store.table(feature.group.table).snapshot().commits:
            raise InputNotCommittedError(
                subject=subject(training_set),
                partition=partition,
                asset=asset_name(feature.group),
                absent=(),
            )
