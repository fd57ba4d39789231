"""`headrace materialize`: partitions are computed, checked, committed and published."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .console import complain, counted, show, show_json
from .gate import held, warned, warning_in_words
from .options import AsJson, GatedName, OptionalPartitions
from .publish import publications_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..assets.declarations import Dimension, FeatureGroup, Source
    from ..resources.offline.commit_log import Commit
    from .dagster_runs import Failure, RunResult
    from .installation import Installation
    from .run_plan import PlannedRun

    Gated: TypeAlias = Source | Dimension | FeatureGroup

_NAMED = 10


def materialize(
    name: GatedName,
    *,
    partitions: OptionalPartitions = None,
    offline_only: Annotated[
        bool,
        typer.Option("--offline-only", help="Commit, and leave publishing to `headrace publish`."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Compute partitions of a feature group: check, commit, publish; or read those of a source.

    A dimension is read as a whole, without --partitions. Missing partitions upstream are computed
    first. Runs in this process, and stands in Dagster like any other run. Partitions that pass
    their checks are committed and published also when others of the range fail; those are named,
    and the exit status is 1.
    """
    from ..assets.publishing import publish_unpublished
    from .dagster_runs import DagsterRuns, carry_out
    from .installation import Installation
    from .run_plan import plan_runs

    installation = Installation.open()
    declared = installation.gated(name)
    keys = _asked(installation, declared, partitions)
    planned = plan_runs({declared: keys}, installation.committed)
    with DagsterRuns.of(installation) as runs:
        try:
            results = carry_out(runs, planned, offline_only=offline_only)
        except KeyboardInterrupt:
            complain("interrupted; the same command again goes on where this one stopped")
            raise
    left = []
    online = _published_groups(declared, planned)
    if online and not offline_only:
        # Dagster skips `online` in a run of which some partitions failed.
        left = publish_unpublished(installation.declarations, installation.deployment, online)
    failures = [failure for result in results for failure in result.failures]
    done = _stand(installation, declared, keys, failures)
    if json:
        show_json(_to_json(declared, done, results))
    else:
        _show(declared, done, asked=len(keys))
        if left:
            show(publications_in_words(left, asked=len(left)))
    for failure in failures:
        complain(str(failure))
    if failures:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Stand:
    """What became of the partitions that were asked for.

    Attributes:
        committed: Those that hold what was computed.
        held: Those that wait for approval.
        warnings: What the committed ones were warned of.
    """

    committed: "Sequence[Commit]"
    held: "Sequence[dict]"
    warnings: "Sequence[dict]"


def _stand(
    installation: "Installation",
    declared: "Gated",
    keys: "Sequence[str]",
    failures: "Sequence[Failure]",
) -> _Stand:
    from ..assets.declarations import FeatureGroup
    from ..assets.pinned_inputs import asset_name

    asset = asset_name(declared)
    commits = installation.deployment.offline.table(declared.table).snapshot().commits
    found = held(installation, declared) if isinstance(declared, FeatureGroup) else []
    waiting = [each for each in found if each["partition"] in keys]
    uncommitted = {each["partition"] for each in waiting}
    committed = {
        key: commits[key]
        for key in keys
        if key in commits and key not in uncommitted and not _failed(asset, key, failures)
    }
    return _Stand(list(committed.values()), waiting, warned(asset, committed))


def _published_groups(declared: "Gated", planned: "Sequence[PlannedRun]") -> "list[FeatureGroup]":
    """The groups of the runs that are published at all, each once, in the order they ran."""
    from ..assets.declarations import FeatureGroup

    computed = [node for run in planned for node in (*run.nodes, declared)]
    groups = dict.fromkeys(node for node in computed if isinstance(node, FeatureGroup))
    return [group for group in groups if group.spec.online is not None]


def _show(declared: "Gated", done: _Stand, *, asked: int) -> None:
    rows = sum(commit.rows for commit in done.committed)
    stand = f"{len(done.committed)} of {counted(asked, 'partition')} committed"
    show(f"{declared.name}: {stand}, {counted(rows, 'row')}")
    for each in done.warnings:
        show(f"warning: {warning_in_words(each)}")
    if done.held:
        show(_held_in_words(done.held))


def _asked(
    installation: "Installation",
    declared: "Gated",
    partitions: str | None,
) -> tuple[str, ...]:
    """The partitions to compute, as a command line names them."""
    from ..assets.declarations import Dimension
    from ..contract.errors import InvalidArgumentError
    from ..resources.offline.table_spec import WHOLE
    from .partition_range import asked_partitions

    if isinstance(declared, Dimension):
        if partitions is not None:
            raise InvalidArgumentError(
                argument="--partitions",
                problem=f"the dimension {declared.name!r} has none",
                remedy="leave it out",
            )
        return (WHOLE,)
    if partitions is None:
        raise InvalidArgumentError(
            argument="--partitions",
            problem=f"it is needed, since {declared.name!r} has partitions",
            remedy="write the first and the last, as 2017-12-01..2018-01-01, or one",
        )
    return asked_partitions(declared, partitions, installation.clock.now(), option="--partitions")


def _held_in_words(waiting: "Sequence[dict]") -> str:
    keys = [each["partition"] for each in waiting]
    span = keys[0] if len(keys) == 1 else f"{keys[0]}..{keys[-1]}"
    return (
        f"{counted(len(keys), 'partition')} held for approval ({', '.join(keys[:_NAMED])}"
        f"{', …' if len(keys) > _NAMED else ''}):"
        f" headrace approve {waiting[0]['feature_group']} --partitions {span} --reason …"
    )


def _failed(asset: str, partition: str, failures: "Sequence[Failure]") -> bool:
    """Whether a partition still holds what it held before, because computing it failed."""
    return any(
        failure.asset == asset and failure.partition in {partition, None} for failure in failures
    )


def _to_json(declared: "Gated", done: _Stand, results: "Sequence[RunResult]") -> dict:
    from ..assets.declarations import FeatureGroup
    from ..assets.pinned_inputs import asset_name

    return {
        "feature_group": declared.spec.reference if isinstance(declared, FeatureGroup) else None,
        "asset": asset_name(declared),
        "partitions": [
            {
                "partition": commit.partition,
                "generation": commit.generation,
                "table_version": commit.version,
                "rows": commit.rows,
                "publish": commit.publish,
            }
            for commit in done.committed
        ],
        "runs": [
            {"run_id": result.run_id, "failures": [asdict(each) for each in result.failures]}
            for result in results
        ],
        "held": done.held,
        "warnings": done.warnings,
    }
