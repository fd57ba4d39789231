"""A materializing step: many partitions in one run, each with its own records.

Dagster's own way gives all partitions of a range run one data version, and their check evaluations
no partition at all. So a step yields the events of each partition itself, as soon as it is there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from ...contract.partitions import Partitioning
from ...resources.deployments import Deployment
from ..declarations import Dimension, FeatureGroup
from ..materialization import Materialized, materialize
from ..outcomes import Outcome, Run
from .approval_check import approval_evaluation
from .checks import evaluation
from .metadata import Metadata, age_metadata, commit_metadata
from .provenance import input_tags
from .standing_checks import offline_evaluations

Event: TypeAlias = (
    dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None] | dg.MaterializeResult[None]
)

PUBLISH_TAG = "headrace/publish"
"""The run tag by which `--offline-only` asks for commits that wait to be published: `deferred`."""

_NAMED = 20


def materialize_partitions(
    context: dg.AssetExecutionContext,
    declared: Materialized,
    deployment: Deployment,
    constant: Metadata,
) -> Iterator[Event]:
    """Materialize the partitions of a run, and record each; `constant` metadata is on all records.

    Raises:
        Failure: Partitions were refused or failed; it names them. The others are committed.
    """
    partitions = [] if isinstance(declared, Dimension) else list(context.partition_keys)
    outcomes = materialize(declared, partitions, run_of(context, deployment))
    yield from recorded(context, declared, outcomes, deployment, constant=constant)


def run_of(context: dg.AssetExecutionContext, deployment: Deployment) -> Run:
    """In whose name a step computes and commits."""
    deferred = context.run.tags.get(PUBLISH_TAG) == "deferred"
    return Run(deployment.offline, context.run.run_id, "deferred" if deferred else "auto")


def recorded(
    context: dg.AssetExecutionContext,
    declared: Materialized,
    outcomes: Iterator[Outcome],
    deployment: Deployment,
    *,
    constant: Metadata,
) -> Iterator[Event]:
    """The records of what came of each partition.

    A partition that waits for approval has no materialization, so that nothing downstream runs for
    it: not by automation, and not in this run.

    Raises:
        Failure: Partitions were refused or failed; it names them. The others are committed.
    """
    key, count = context.asset_key, 0
    partitioning = None if isinstance(declared, Dimension) else declared.partitions
    age, inputs = _Age.of(declared, deployment), input_tags(context)
    failed: list[Outcome] = []
    held = 0
    for count, outcome in enumerate(outcomes, 1):  # noqa: B007 - the last one counts them
        partition = None if partitioning is None else outcome.partition
        if outcome.commit is not None:
            metadata = {
                **constant,
                **commit_metadata(outcome, outcome.commit, partitioning),
                **age.with_partition(outcome.partition),
            }
            versions = (outcome.commit.generation, outcome.commit.code_version)
            yield materialization(key, partition, metadata, versions=versions, inputs=inputs)
        elif outcome.held is not None:
            context.log.warning("%s: %s rows wait for approval", partition, outcome.held.rows)
            held += 1
        else:
            context.log.error("%s: %s", outcome.partition, outcome.reason, exc_info=outcome.error)
            failed.append(outcome)
        yield from _evaluations(context, declared, partition, outcome)
    if isinstance(declared, FeatureGroup):
        yield from offline_evaluations(declared, deployment)
    if failed:
        raise _failure(key, failed, count)
    yield from outputs(context, go_on=not held)


@dataclass(slots=True)
class _Age:
    """The age of a table's newest partition while a step adds further ones."""

    partitioning: Partitioning | None
    now: datetime
    newest: str

    @classmethod
    def of(cls, declared: Materialized, deployment: Deployment) -> "_Age":
        partitioning = None if isinstance(declared, Dimension) else declared.partitions
        committed = deployment.offline.table(declared.table).snapshot().commits
        now = deployment.environment.clock().now()
        return cls(partitioning, now, max(committed, default=""))

    def with_partition(self, partition: str) -> Metadata:
        """What is shown of it once a partition is committed."""
        if self.partitioning is None:
            return {}
        self.newest = max(self.newest, partition)
        return age_metadata(self.partitioning.window(self.newest).end, self.now)


def _evaluations(
    context: dg.AssetExecutionContext,
    declared: Materialized,
    partition: str | None,
    outcome: Outcome,
) -> Iterator[dg.AssetCheckEvaluation]:
    judged = evaluation(context, context.asset_key, partition, outcome)
    if judged is not None:
        yield judged
    if isinstance(declared, FeatureGroup) and declared.approval:
        approved = approval_evaluation(context, declared, outcome)
        if approved is not None:
            yield approved


def materialization(
    key: dg.AssetKey,
    partition: str | None,
    metadata: Metadata,
    *,
    versions: tuple[int, str],
    inputs: Mapping[str, str],
) -> dg.AssetMaterialization:
    """The record of one partition, of a generation and code version, and of its `input_tags`.

    The data version is the generation: what listens to it takes no notice of a repetition.
    """
    generation, code_version = versions
    return dg.AssetMaterialization(
        key,
        partition=partition,
        metadata=metadata,
        tags={
            **inputs,
            DATA_VERSION_TAG: str(generation),
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
            CODE_VERSION_TAG: code_version,
        },
    )


def outputs(context: dg.AssetExecutionContext, *, go_on: bool = True) -> Iterator[Event]:
    """What ends a step without further records, and lets downstream steps of the run begin.

    With `go_on=False` they are skipped, and the run succeeds all the same.
    """
    for check in context.assets_def.check_specs:
        yield dg.Output(None, output_name=check.get_python_identifier())
    if not go_on:
        return
    # Dagster would record every partition of the run once more; this is how its own conversion of
    # source assets, whose functions record what they saw, prevents that.
    yield dg.MaterializeResult(metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})


def _failure(key: dg.AssetKey, failed: Sequence[Outcome], count: int) -> dg.Failure:
    named = [f"{outcome.partition}: {outcome.reason}" for outcome in failed[:_NAMED]]
    more = [f"and {len(failed) - _NAMED} more"] if len(failed) > _NAMED else []
    reasons: Mapping[str, str] = {outcome.partition: outcome.reason for outcome in failed}
    return dg.Failure(
        f"{key.to_user_string()}: {len(failed)} of {count} partitions were not committed;"
        f" what they held before stays in place\n" + "\n".join([*named, *more]),
        metadata={"failed_partitions": dg.MetadataValue.json(dict(reasons))},
        allow_retries=False,
    )
