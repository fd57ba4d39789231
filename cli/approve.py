"""`headrace approve`: what is held of a partition is committed, and published."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.json_values import instant
from .console import complain, counted, show, show_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..assets.approval import Approval
    from ..assets.declarations import FeatureGroup
    from ..contract.errors import ApprovalError
    from .dagster_runs import RunResult
    from .installation import Installation


def approve(
    group: GroupName,
    partition: Annotated[
        str | None,
        typer.Argument(metavar="PARTITION", help="The held partition, such as 2018-01-01."),
    ] = None,
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="R", help="Why; it stays with the commit.")
    ],
    partitions: Annotated[
        str | None,
        typer.Option(
            "--partitions",
            metavar="A..B",
            help="All that are held from A to B, both included, instead of one.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME", help="Who; without it, the user of this process."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Commit exactly the rows that are held of partitions, each on its own, and publish them.

    Refused when they are no longer what would be computed; then the message says what changed, and
    the others are approved all the same. Approving again changes nothing. `headrace status` lists
    what is held.
    """
    from ..contract.errors import ApprovalError, InvalidArgumentError
    from .installation import Installation

    installation = Installation.open()
    declared = installation.group(group)
    keys = _asked(installation, declared, partition, partitions)
    if not reason.strip():
        raise InvalidArgumentError(
            argument="--reason",
            problem="it is empty",
            remedy="say why, for those who read it later",
        )
    who = {"by": by or getpass.getuser(), "reason": reason.strip()}
    approvals: list[Approval] = []
    refused: list[ApprovalError] = []
    for outcome in _approved(installation, declared, keys, who):
        if isinstance(outcome, ApprovalError):
            refused.append(outcome)
            continue
        approvals.append(outcome)
        if not json:
            show(_in_words(declared, outcome))
    results = _recorded(installation, declared, approvals)
    if json and approvals:
        found = [_to_json(declared, each, results[each.commit.partition]) for each in approvals]
        show_json(found[0] if partitions is None else {"partitions": found})
    failures = {failure for result in results.values() for failure in result.failures}
    for trouble in (*sorted(map(str, failures)), *map(str, refused)):
        complain(trouble)
    if failures or refused:
        raise typer.Exit(1)


def _approved(
    installation: "Installation",
    group: "FeatureGroup",
    keys: "Sequence[str]",
    who: "Mapping[str, str]",
) -> "Iterator[Approval | ApprovalError]":
    """What is committed, or why it is refused, one by one: each partition stands for itself."""
    from ..assets.approval import approve as approve_partition
    from ..contract.errors import ApprovalError

    for key in keys:
        try:
            yield approve_partition(group, key, installation.deployment.offline, **who)
        except ApprovalError as error:
            yield error


def _asked(
    installation: "Installation", group: "FeatureGroup", one: str | None, several: str | None
) -> tuple[str, ...]:
    """The partitions to approve: of several those that are held, if any is."""
    from ..assets.held import held_among
    from ..contract.errors import InvalidArgumentError
    from .partition_range import asked_partitions

    if (one is None) == (several is None):
        raise InvalidArgumentError(
            argument="PARTITION",
            problem="either one partition or --partitions is needed",
            remedy="name one, such as 2018-01-01, or give --partitions A..B, and not both",
        )
    option = "--partition" if several is None else "--partitions"
    keys = asked_partitions(group, several or one or "", installation.clock.now(), option=option)
    if several is None:
        return keys
    return held_among(keys, group, installation.deployment.offline) or keys


def _recorded(
    installation: "Installation", group: "FeatureGroup", approvals: "Sequence[Approval]"
) -> "dict[str, RunResult]":
    """Materialize the partitions in Dagster, which now finds them committed, and publish them.

    What listens to the group learns of the new generation by that run's records. A commit that was
    deferred when it was computed still waits for `headrace publish`. By partition, the run.
    """
    from ..assets.publishing import publish_unpublished
    from .dagster_runs import DagsterRuns, carry_out
    from .run_plan import planned_alone

    if not approvals:
        return {}
    results: dict[str, RunResult] = {}
    with DagsterRuns.of(installation) as runs:
        for deferred in (False, True):
            keys = [
                each.commit.partition
                for each in approvals
                if (each.commit.publish == "deferred") is deferred
            ]
            planned = planned_alone(group, keys)
            for run, result in zip(
                planned, carry_out(runs, planned, offline_only=deferred), strict=True
            ):
                results |= dict.fromkeys(run.partitions, result)
    if group.spec.online is not None and any(
        each.commit.publish != "deferred" for each in approvals
    ):
        publish_unpublished(installation.declarations, installation.deployment, [group])
    return results


def _in_words(group: "FeatureGroup", approval: "Approval") -> str:
    commit = approval.commit
    stand = f"generation {commit.generation}, {counted(commit.rows, 'row')}"
    at = f"{group.spec.reference}, partition {commit.partition}"
    if approval.is_repeated:
        when = instant(approval.approved_at.replace(microsecond=0))
        return (
            f"{at}: approved already by {approval.by} at {when} ({approval.reason});"
            f" nothing changed ({stand})"
        )
    return f"{at}: approved and committed ({stand})"


def _to_json(group: "FeatureGroup", approval: "Approval", result: "RunResult") -> dict:
    commit = approval.commit
    return {
        "feature_group": group.spec.reference,
        "partition": commit.partition,
        "generation": commit.generation,
        "table_version": commit.version,
        "rows": commit.rows,
        "by": approval.by,
        "reason": approval.reason,
        "approved_at": approval.approved_at,
        "approved_before": approval.is_repeated,
        "run_id": result.run_id,
    }
