"""`headrace materialize`: partitions are computed, checked, committed and published."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .console import complain, counted, show, show_json
from .gate import held
from .options import AsJson, GroupName, Partitions
from .publish import publications_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..resources.offline.commit_log import Commit
    from .dagster_runs import Failure, RunResult

_NAMED = 10


def materialize(
    group: GroupName,
    *,
    partitions: Partitions,
    offline_only: Annotated[
        bool,
        typer.Option("--offline-only", help="Commit, and leave publishing to `headrace publish`."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Compute partitions of a feature group: check, commit, publish.

    Missing partitions upstream are computed first. Runs in this process, and stands in Dagster like
    any other run. Partitions that pass their checks are committed and published also when others of
    the range fail; those are named, and the exit status is 1.
    """
    from ..assets.declarations import FeatureGroup
    from ..assets.publishing import publish_unpublished
    from .dagster_runs import DagsterRuns, carry_out
    from .installation import Installation
    from .partition_range import asked_partitions
    from .run_plan import plan_runs

    installation = Installation.open()
    declared = installation.group(group)
    keys = asked_partitions(declared, partitions, installation.clock.now(), option="--partitions")
    planned = plan_runs({declared: keys}, installation.committed)
    with DagsterRuns.of(installation) as runs:
        results = carry_out(runs, planned, offline_only=offline_only)
    computed = [node for run in planned for node in run.nodes if isinstance(node, FeatureGroup)]
    groups = dict.fromkeys([*computed, declared])  # each once, in the order in which they ran
    online = [group for group in groups if group.spec.online is not None]
    left = []
    if online and not offline_only:
        # Dagster skips `online` in a run of which some partitions failed.
        left = publish_unpublished(installation.declarations, installation.deployment, online)
    failures = [failure for result in results for failure in result.failures]
    asset = "/".join(declared.offline_path)
    commits = installation.table(declared).snapshot().commits
    waiting = [each for each in held(installation, declared) if each["partition"] in keys]
    uncommitted = {each["partition"] for each in waiting}
    committed = [
        commits[key]
        for key in keys
        if key in commits and key not in uncommitted and not _failed(asset, key, failures)
    ]
    if json:
        show_json({**_to_json(declared.spec.reference, committed, results), "held": waiting})
    else:
        rows = sum(commit.rows for commit in committed)
        stand = f"{len(committed)} of {counted(len(keys), 'partition')} committed"
        show(f"{declared.name}: {stand}, {counted(rows, 'row')}")
        if waiting:
            show(_held_in_words(declared.spec.reference, waiting))
        if left:
            show(publications_in_words(left, asked=len(left)))
    for failure in failures:
        complain(str(failure))
    if failures:
        raise typer.Exit(1)


def _held_in_words(reference: str, waiting: "Sequence[dict]") -> str:
    keys = [each["partition"] for each in waiting]
    return (
        f"{counted(len(keys), 'partition')} held for approval ({', '.join(keys[:_NAMED])}"
        f"{', …' if len(keys) > _NAMED else ''}):"
        f" headrace approve {reference} {keys[0]} --reason …"
    )


def _failed(asset: str, partition: str, failures: "Sequence[Failure]") -> bool:
    """Whether a partition still holds what it held before, because computing it failed."""
    return any(
        failure.asset == asset and failure.partition in {partition, None} for failure in failures
    )


def _to_json(reference: str, committed: "Sequence[Commit]", results: "Sequence[RunResult]") -> dict:
    return {
        "feature_group": reference,
        "partitions": [
            {
                "partition": commit.partition,
                "generation": commit.generation,
                "table_version": commit.version,
                "rows": commit.rows,
                "publish": commit.publish,
            }
            for commit in committed
        ],
        "runs": [
            {"run_id": result.run_id, "failures": [asdict(each) for each in result.failures]}
            for result in results
        ],
    }
