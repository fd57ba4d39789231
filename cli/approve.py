"""`headrace approve`: what is held of a partition is committed, and published."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.json_values import instant
from .console import complain, counted, show, show_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from ..assets.approval import Approval
    from ..assets.declarations import FeatureGroup
    from .dagster_runs import RunResult
    from .installation import Installation


def approve(
    group: GroupName,
    partition: Annotated[
        str, typer.Argument(metavar="PARTITION", help="The held partition, such as 2018-01-01.")
    ],
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="R", help="Why; it stays with the commit.")
    ],
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME", help="Who; without it, the user of this process."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Commit exactly the rows that are held of a partition, and publish them.

    Refused when they are no longer what would be computed; then the message says what changed.
    Approving again changes nothing. `headrace status` lists what is held.
    """
    from ..assets.approval import approve as approve_partition
    from ..contract.errors import InvalidArgumentError
    from .installation import Installation
    from .partition_range import asked_partitions

    installation = Installation.open()
    declared = installation.group(group)
    (key,) = asked_partitions(declared, partition, installation.clock.now(), option="--partition")
    if not reason.strip():
        raise InvalidArgumentError(
            argument="--reason",
            problem="it is empty",
            remedy="say why, for those who read it later",
        )
    name = by or getpass.getuser()
    store = installation.deployment.offline
    approval = approve_partition(declared, key, store, by=name, reason=reason.strip())
    if not json:
        show(_in_words(declared, approval))
    result = _recorded(installation, declared, approval)
    if json:
        show_json(_to_json(declared, approval, result))
    for failure in result.failures:
        complain(str(failure))
    if result.failures:
        raise typer.Exit(1)


def _recorded(
    installation: "Installation", group: "FeatureGroup", approval: "Approval"
) -> "RunResult":
    """Materialize the partition in Dagster, which now finds it committed, and publish it.

    What listens to the group learns of the new generation by that run's records. A commit that was
    deferred when it was computed still waits for `headrace publish`.
    """
    from ..assets.publishing import publish_unpublished
    from .dagster_runs import DagsterRuns, carry_out
    from .run_plan import PlannedRun

    deferred = approval.commit.publish == "deferred"
    planned = PlannedRun((group,), (approval.commit.partition,))
    with DagsterRuns.of(installation) as runs:
        (result,) = carry_out(runs, [planned], offline_only=deferred)
    if group.spec.online is not None and not deferred:
        publish_unpublished(installation.declarations, installation.deployment, [group])
    return result


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
