"""What the gate says, for commands that show it: warnings, quarantined rows, held partitions."""

from typing import TYPE_CHECKING

from .console import show, show_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..assets.declarations import Dimension, FeatureGroup, Source
    from ..resources.offline.commit_log import Commit
    from .installation import Installation


def quarantined(
    installation: "Installation", declared: "Source | Dimension | FeatureGroup"
) -> list[dict]:
    """The partitions with quarantined rows: how many, since when, from which run."""
    from ..assets.pinned_inputs import asset_name
    from ..assets.quarantine import Quarantine

    quarantine = Quarantine.beside(declared.table, installation.deployment.offline)
    return [
        {
            "asset": asset_name(declared),
            "partition": partition,
            "rows": commit.rows,
            "since": commit.committed_at,
            "run_id": commit.run_id,
            "breaches": commit.verdicts["breaches"],
        }
        for partition, commit in quarantine.commits().items()
    ]


def held(installation: "Installation", group: "FeatureGroup") -> list[dict]:
    """The partitions that wait for approval, and what changed since they were computed."""
    from ..assets.approval import changes_since
    from ..assets.held import HeldPartitions

    store = installation.deployment.offline
    return [
        {
            "feature_group": group.spec.reference,
            "partition": partition,
            "rows": commit.rows,
            "since": commit.committed_at,
            "run_id": commit.run_id,
            "warnings": warned(group.spec.reference, {partition: commit}),
            "changes": list(changes_since(group, commit, store)),
        }
        for partition, commit in HeldPartitions.beside(group.table, store).waiting().items()
    ]


def warned(asset: str, commits: "Mapping[str, Commit]") -> list[dict]:
    """The rules that only warn and that rows of these commits break: how often, in which."""
    found: dict[tuple[str, str | None], dict] = {}
    for partition, commit in commits.items():
        for breach in commit.verdicts.get("breaches", ()):
            if breach.get("severity") != "warn":
                continue
            rule, column = breach["rule"], breach["column"]
            each = found.setdefault(
                (rule, column),
                {"asset": asset, "rule": rule, "column": column, "count": 0, "partitions": []},
            )
            each["count"] += breach["count"]
            each["partitions"].append(partition)
    return list(found.values())


def all_warned(installation: "Installation") -> list[dict]:
    """The warnings of all that is committed."""
    from ..assets.pinned_inputs import asset_name

    return [
        each
        for declared in installation.declarations.gated
        for each in warned(
            asset_name(declared),
            installation.deployment.offline.table(declared.table).snapshot().commits,
        )
    ]


def warning_in_words(found: dict) -> str:
    """A warning as people read it: the rule, how many values, which partitions."""
    keys = found["partitions"]
    shown = keys[0] if len(keys) == 1 else f"{len(keys)} partitions, {keys[0]}..{keys[-1]}"
    of = f" of {found['column']}" if found["column"] else ""
    return f"{found['rule']}{of} ({found['count']:,}×): {shown}"


def show_gate(found: dict) -> None:
    """Warnings, and what is kept back: refused rows, and partitions that wait for approval."""
    if found["warnings"]:
        show("")
        show_table(
            ["warning", "rule, and where it is broken"],
            [[each["asset"], warning_in_words(each)] for each in found["warnings"]],
        )
    if found["quarantine"]:
        show("")
        show_table(
            ["quarantine", "partition", "rows", "since"],
            [
                [each["asset"], each["partition"], each["rows"], each["since"]]
                for each in found["quarantine"]
            ],
        )
    if found["held"]:
        show("")
        show_table(
            ["held for approval", "partition", "rows", "since", "warnings", "changed since"],
            [
                [
                    *(each["feature_group"], each["partition"], each["rows"], each["since"]),
                    "; ".join(map(warning_in_words, each["warnings"])) or None,
                    "; ".join(each["changes"]) or None,
                ]
                for each in found["held"]
            ],
        )
