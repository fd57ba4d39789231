"""A computation in shards: a plan, the shards in any processes, and one commit of what they made.

The commit goes through the same gate as any other, with the whole partition's rows: there they are
judged, and become one generation. Until then nothing of a shard is seen by anybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import polars as pl

from ...contract.errors import (
    CommitConflictError,
    HeadraceError,
    InputNotCommittedError,
    ShardFailedError,
)
from ...resources.offline.offline_store import OfflineStore
from ...resources.offline.staging import Staging
from ...resources.offline.table_snapshot import TableSnapshot
from ..declarations import FeatureGroup
from ..identity import computed_identity
from ..materialization import commit_group, is_current
from ..outcomes import Outcome, Run
from ..pinned_inputs import PinnedInputs, subject
from ..verdicts import judge
from .sharding import Shard


@dataclass(frozen=True, slots=True)
class Plan:
    """What all steps of one computation agree on.

    Attributes:
        code_version: Of the code that planned it; steps with other code refuse it.
        versions: The Delta version at which each input is read, by the input's name.
        generations: The generation that each partition had, 0 without one.
        due: The partitions that are not committed from these inputs yet.
    """

    code_version: str
    shards: int
    versions: Mapping[str, int]
    generations: Mapping[str, int]
    due: Sequence[str]


@dataclass(frozen=True, slots=True)
class Staged:
    """What a shard came to for one partition: so many rows, or why there are none.

    Attributes:
        said: What was found about its rows alone. It decides nothing: a rule may be about all.
    """

    partition: str
    rows: int
    said: str
    error: Exception | None = None


def plan_shards(
    group: FeatureGroup, partitions: Sequence[str], store: OfflineStore, staging: Staging
) -> Plan:
    """Pin the inputs for all shards, and find out which partitions there is work for.

    Raises:
        StoreUnavailableError: The offline store cannot be read or written.
    """
    inputs, committed = PinnedInputs.of(group, store), store.table(group.table).snapshot()
    commits = committed.commits
    plan = Plan(
        code_version=group.code_version,
        shards=group.shards,
        versions={name: snapshot.version for name, snapshot in inputs.snapshots.items()},
        generations={
            key: commits[key].generation if key in commits else 0 for key in sorted(partitions)
        },
        due=[key for key in sorted(partitions) if _is_due(group, key, inputs, committed)],
    )
    staging.write_plan(asdict(plan))
    return plan


def compute_shard(shard: Shard, store: OfflineStore, staging: Staging) -> Iterator[Staged]:
    """Compute one shard of every partition that is due, and stage its rows.

    What the author's function raises keeps that partition from being committed, and no other.

    Raises:
        ShardFailedError: There is no plan, or one of other code.
        StoreUnavailableError: The offline store cannot be read or written.
    """
    plan = _plan_of(shard.group, staging, shard.number)
    inputs = PinnedInputs.of(shard.group, store, plan.versions)
    for partition in plan.due:
        try:
            rows = shard.rows(inputs, partition)
        except Exception as error:  # noqa: BLE001 - the function is its author's
            reason = str(error) if isinstance(error, HeadraceError) else repr(error)
            staging.write_part(partition, shard.number, None, {"error": reason})
            yield Staged(partition, 0, reason, error)
            continue
        said = str(judge(shard.group.schema, rows).verdict)
        staging.write_part(partition, shard.number, rows, {"rows": rows.height, "said": said})
        yield Staged(partition, rows.height, said)


def commit_shards(group: FeatureGroup, run: Run, staging: Staging) -> Iterator[Outcome]:
    """Judge each partition as a whole, and commit it as one generation.

    A partition of which a shard is missing or failed is not committed; nor is one that somebody
    else committed since it was planned, whose newer inputs this would replace.

    Raises:
        ShardFailedError: There is no plan, or one of other code.
        StoreError: The offline store broke off; what was yielded is committed.
    """
    plan = _plan_of(group, staging, None)
    inputs = PinnedInputs.of(group, run.store, plan.versions)
    rows_of = partial(_gathered, group, plan, staging=staging, store=run.store)
    yield from commit_group(group, list(plan.generations), run, inputs=inputs, rows_of=rows_of)


def _gathered(
    group: FeatureGroup, plan: Plan, partition: str, *, staging: Staging, store: OfflineStore
) -> pl.DataFrame:
    """The rows of all shards of a partition."""
    newest = store.table(group.table).snapshot().commits.get(partition)
    if newest is not None and newest.generation != plan.generations[partition]:
        raise CommitConflictError(
            table=group.table.path,
            partition=partition,
            reason=f"it was planned upon generation {plan.generations[partition]}, and there is"
            f" generation {newest.generation} by now",
        )
    parts = []
    for number in range(plan.shards):
        said = staging.said(partition, number)
        reason = "it left nothing" if said is None else said.get("error")
        if reason is not None:
            raise _failed(group, partition, number, reason)
        try:
            parts.append(staging.rows(partition, number))
        except FileNotFoundError:
            raise _failed(group, partition, number, "somebody removed them") from None
    return pl.concat(parts)


def _is_due(
    group: FeatureGroup, partition: str, inputs: PinnedInputs, committed: TableSnapshot
) -> bool:
    try:
        inputs.check(partition)
    except InputNotCommittedError:
        return False  # which the commit will say
    identity = computed_identity(group, inputs.uses(partition))
    return not is_current(group, partition, identity, committed)


def _plan_of(group: FeatureGroup, staging: Staging, shard: int | None) -> Plan:
    found: dict[str, Any] | None = staging.plan()
    wanted = {"code_version": group.code_version, "shards": group.shards}
    if found is None or {name: found[name] for name in wanted} != wanted:
        reason = "there is no plan" if found is None else "it was planned by other code"
        raise _failed(group, "of this run", shard or 0, reason)
    return Plan(**found)


def _failed(group: FeatureGroup, partition: str, shard: int, reason: str) -> ShardFailedError:
    return ShardFailedError(
        subject=subject(group),
        partition=partition,
        shard=shard,
        shards=group.shards,
        reason=reason,
    )
