"""`headrace status`: how fresh everything is, what is published, what runs."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer

from ..contract.errors import ServerError, StoreError
from ..contract.json_values import instant
from .console import counted, in_bytes, show, show_json, show_table
from .exit_status import exit_status
from .gate import all_warned, held, quarantined, show_gate
from .options import AsJson

if TYPE_CHECKING:
    from ..assets.declarations import FeatureGroup
    from ..contract.environment import Environment
    from ..resources.online.memory import GroupMemory
    from .installation import Installation

_RUNS = 5
_NOTHING: dict[str, object] = {
    "published_partition": None,
    "published_age_seconds": None,
    "complete": None,
    "unpublished_partitions": [],
    "in_flight": [],
    "memory": None,
}


def status(*, json: AsJson = False) -> None:
    """Show freshness, what is committed and published, the last runs, and what answers.

    A group is fresh while the end of its newest committed partition is no older than it promises;
    its score is the share of the last 30 days in which it was, which a frozen clock does not have.
    It answers once everything that is due is published in this online store; after the store lost
    it, it answers ERROR until then. Memory is predicted from the rows' format, and sampled.
    The exit status is 3 when the online store does not answer.
    """
    from .installation import Installation

    installation = Installation.open()
    published: dict[str, dict] = {}
    memory: dict[str, object] = {}
    trouble: StoreError | None = None
    try:
        published, memory = _published(installation)
    except StoreError as error:
        trouble = error
    live = installation.live_versions()
    clock = installation.clock
    found = {
        "home": str(installation.environment.home),
        "clock": {"now": clock.now(), "frozen": clock.frozen_at is not None},
        "online_store": {**_store(installation.environment, trouble), **memory},
        "feature_server": _server(installation.environment),
        "feature_groups": [
            {
                **_committed(installation, group),
                "live": live.get(group.name) == group.version,
                **published.get(group.spec.reference, _NOTHING),
            }
            for group in installation.groups(None)
        ],
        "warnings": all_warned(installation),
        "quarantine": [
            each
            for declared in installation.declarations.gated
            for each in quarantined(installation, declared)
        ],
        "held": [each for group in installation.groups(None) for each in held(installation, group)],
        "runs": _runs(installation.environment),
    }
    if json:
        show_json(found)
    else:
        _show(found)
    if trouble is not None:
        raise typer.Exit(exit_status(trouble))


def _committed(installation: "Installation", group: "FeatureGroup") -> dict:
    from ..assets.freshness import SCORED, freshness, freshness_score
    from ..assets.outdated import outdated_partitions
    from ..assets.partitions import partitions_until

    now, is_frozen = installation.clock.now(), installation.clock.frozen_at is not None
    snapshot = installation.table(group).snapshot()
    existing = partitions_until(group, now)
    found = freshness(group, snapshot.commits, now)
    log = () if is_frozen else tuple(snapshot.log.commits)
    return {
        "name": group.name,
        "version": group.version,
        "committed_partition": found.newest,
        "newest_partition": existing[-1] if existing else None,
        "committed": len(snapshot.commits),
        "partitions": len(existing),
        "missing_partitions": found.gaps,
        "outdated_partitions": outdated_partitions(group, installation.deployment.offline),
        "age_seconds": found.age,
        "freshness_seconds": group.freshness,
        "fresh": found.is_fresh,
        "freshness_score": freshness_score(group, log, now - SCORED, now),
        "waits_for_replicas": installation.environment.durability.replicas_of(group.name),
    }


def _published(installation: "Installation") -> tuple[dict[str, dict], dict[str, object]]:
    """What is published of each group, by `group@version`, and the memory of the store."""
    from ..assets.publishing import unpublished
    from ..resources.online.memory import group_memory, store_memory
    from ..resources.online.opening import group_in

    environment, found = installation.environment, {}
    if not _has_store(environment):
        return {}, {}  # a look must not found an online store
    with installation.deployment.publishing() as publishing:
        online, registry = publishing.online, publishing.registry
        groups = [group for group in installation.groups(None) if group.spec.online is not None]
        left = unpublished(groups, installation.deployment, publishing)
        recorded = registry.recorded().versions
        for group in groups:
            reference = group.spec.reference
            found[reference] = {**_NOTHING, "unpublished_partitions": list(left.get(group, ()))}
            version = registry.published(group.name, group.version)
            if version is None and (group.name, group.version) in recorded:
                found[reference]["complete"] = False  # the store lost even its catalogue
            if version is not None:
                state = group_in(online, version.group_id, reference).state()
                newest = max(state.markers, default=None)
                memory = group_memory(group.spec, installation.table(group), online, registry)
                found[reference] |= {
                    "published_partition": newest,
                    "published_age_seconds": newest and _age(installation, group, newest),
                    "complete": state.floor is not None,
                    "in_flight": list(state.in_flight),
                    "memory": memory and memory_to_json(memory),
                }
        return found, asdict(store_memory(online))


def _age(installation: "Installation", group: "FeatureGroup", partition: str) -> timedelta:
    """How long ago a partition ended, by the clock of the home."""
    return installation.clock.now() - group.partitions.window(partition).end


def memory_to_json(memory: "GroupMemory") -> dict:
    """The memory of a group for programs, with what its rows come to."""
    return {**asdict(memory), "predicted_bytes": memory.predicted_bytes}


def _has_store(environment: "Environment") -> bool:
    return environment.redis is not None or (environment.home / "valkey").exists()


def _store(environment: "Environment", trouble: StoreError | None) -> dict:
    if not _has_store(environment):
        return {"answers": False, "trouble": "none yet: nothing was published from this home"}
    return {"answers": trouble is None, "trouble": trouble and str(trouble)}


def _server(environment: "Environment") -> dict:
    """Where the feature server of this home was announced, and whether it answers."""
    from ..serving.client import FeatureClient
    from .home import server_addresses
    from .reach import listening_server

    announced = server_addresses(environment)
    if not announced:
        return {"address": None, "answers": False}
    address = listening_server(environment) or announced[0]
    try:
        with FeatureClient(address) as client:
            client.list_feature_groups()
    except ServerError:
        return {"address": address, "answers": False}
    return {"address": address, "answers": True}


def _runs(environment: "Environment") -> list[dict]:
    """The last runs of this home's Dagster instance, the newest first."""
    folder = environment.home / "dagster"
    if not (folder / "dagster.yaml").exists():
        return []
    import dagster as dg

    from .services import dagster_home

    with dg.DagsterInstance.from_config(str(dagster_home(environment))) as instance:
        return [
            {
                "run_id": record.dagster_run.run_id,
                "status": record.dagster_run.status.value,
                "assets": sorted(
                    key.to_user_string() for key in record.dagster_run.asset_selection or ()
                ),
                "started": _moment(record.start_time),
                "ended": _moment(record.end_time),
            }
            for record in instance.get_run_records(limit=_RUNS)
        ]


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(int(timestamp), UTC)


def _show(found: dict) -> None:
    frozen = "; time stands still" if found["clock"]["frozen"] else ""
    server = found["feature_server"]
    answers = "answers" if server["answers"] else "does not answer"
    show(f"home            {found['home']}")
    show(f"clock           {instant(found['clock']['now'])}{frozen}")
    store = found["online_store"]
    show(f"online store    {store['trouble'] or f'answers{_used(store)}'}")
    address = server["address"]
    show(f"feature server  {f'{address} {answers}' if address else 'none runs on this home'}")
    show("")
    show_table(
        [
            *("group", "live", "answers", "fresh", "age", "score", "committed", "newest"),
            *("outdated", "published", "to publish", "bytes a row", "memory"),
        ],
        [
            [
                *(f"{group['name']}@{group['version']}", group["live"], group["complete"]),
                *(group["fresh"], group["age_seconds"], _share(group["freshness_score"])),
                f"{group['committed']} of {group['partitions']}",
                *(group["committed_partition"], len(group["outdated_partitions"])),
                group["published_partition"],
                len(group["unpublished_partitions"]),
                *_memory_cells(group["memory"]),
            ]
            for group in found["feature_groups"]
        ],
    )
    for group in found["feature_groups"]:
        if group["waits_for_replicas"]:
            number = counted(group["waits_for_replicas"], "replica")
            show(f"{group['name']}@{group['version']} waits for {number} before it is published")
    show_gate(found)
    if found["runs"]:
        _show_runs(found["runs"])


def _show_runs(runs: list[dict]) -> None:
    show("")
    show_table(
        ["run", "status", "ended", "assets"],
        [
            [run["run_id"][:8], run["status"], run["ended"], ", ".join(run["assets"])]
            for run in runs
        ],
    )


def _used(store: dict) -> str:
    if "used_bytes" not in store:
        return ""
    most = store["max_bytes"]
    limit = f" of {in_bytes(most)}" if most else "; it has no limit"
    return f"; uses {in_bytes(store['used_bytes'])}{limit}"


def _share(score: float | None) -> str | None:
    return None if score is None else f"{score:.1%}"


def _memory_cells(memory: dict | None) -> list[str | None]:
    """Bytes a row, predicted and sampled, and what the group's rows come to."""
    if memory is None:
        return [None, None]
    sampled = memory["sampled_bytes_per_row"]
    row = f"{memory['predicted_bytes_per_row']:.0f}"
    most = "≤ " if memory["rows_are_at_most"] else ""
    return [
        row if sampled is None else f"{row} ({sampled:.0f} sampled)",
        f"{most}{in_bytes(memory['predicted_bytes'])}",
    ]
