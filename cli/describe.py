"""`headrace describe`: everything about one feature group."""

from typing import TYPE_CHECKING

from .console import counted, show, show_json, show_table
from .gate import held, quarantined
from .groups import group_to_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from ..assets.declarations import FeatureGroup
    from .installation import Installation


def describe(group: GroupName, *, json: AsJson = False) -> None:
    """Show a feature group: schema, lineage, owners, partitions, freshness."""
    from .installation import Installation

    installation = Installation.open()
    declared = installation.group(group)
    described = _described(installation, declared)
    if json:
        show_json(described)
        return
    spec = declared.spec
    show_table(
        [spec.reference, spec.description],
        [
            ["entity", f"{spec.entity.name} ({', '.join(spec.entity.key_names)})"],
            ["online", described["online"]],
            ["live", described["live"]],
            ["TTL", spec.ttl or "for ever"],
            ["owners", ", ".join(spec.owners)],
            ["status", spec.status],
            ["partitions", f"{spec.partitions}, from {declared.start:%Y-%m-%d}"],
            ["committed", _span(described["committed"])],
            ["quarantined", _kept_back(described["quarantined"])],
            *([["held", _kept_back(described["held"])]] if described["approval"] else []),
            ["fresh within", declared.freshness],
            ["offline", described["offline"]],
        ],
    )
    show("")
    show_table(
        ["input", "window"], [[each["asset"], each["window"]] for each in described["inputs"]]
    )
    show("")
    show_table(
        ["feature", "type", "nullable", "computed from", "description"],
        [
            [
                *(feature["name"], feature["dtype"], feature["nullable"]),
                ", ".join(described["lineage"][feature["name"]]["computed_from"]),
                feature["description"],
            ]
            for feature in described["features"]
        ],
    )


def lineage_to_json(group: "FeatureGroup") -> dict:
    """For each column, the input columns that it is computed from and that decide its rows."""
    from ..assets.lineage import derive_lineage
    from ..assets.pinned_inputs import asset_name, upstream_of

    end = group.partitions.window(group.partitions.key(group.start)).end
    upstream = {each.name: upstream_of(each) for each in group.inputs}
    lineage = derive_lineage(
        lambda frames: group(end=end, **frames),
        {name: declared.table.schema for name, declared in upstream.items()},
    )
    return {
        output: {
            "computed_from": [
                f"{asset_name(upstream[name])}.{column}" for name, column in each.direct
            ],
            "rows_decided_by": [
                f"{asset_name(upstream[name])}.{column}" for name, column in each.rows
            ],
        }
        for output, each in lineage.items()
    }


def _described(installation: "Installation", group: "FeatureGroup") -> dict:
    from ..assets.declarations import Input
    from ..assets.pinned_inputs import asset_name, upstream_of

    table = installation.table(group)
    commits = table.snapshot().commits
    is_live = installation.live_versions().get(group.name) == group.version
    return {
        **group_to_json(group, is_live=is_live),
        "offline": table.uri,
        "committed": list(commits),
        "rows": sum(commit.rows for commit in commits.values()),
        "quarantined": quarantined(installation, group),
        "approval": group.approval,
        "held": held(installation, group),
        "inputs": [
            {
                "asset": asset_name(upstream_of(each)),
                "window": "the whole table"
                if not isinstance(each, Input)
                else each.length or "the partition",
            }
            for each in group.inputs
        ],
        "lineage": lineage_to_json(group),
    }


def _kept_back(found: list[dict]) -> str:
    rows = sum(each["rows"] for each in found)
    return f"{counted(rows, 'row')} of {_span([each['partition'] for each in found])}"


def _span(partitions: list[str]) -> str:
    return (
        f"{len(partitions)} partitions, {partitions[0]}..{partitions[-1]}"
        if partitions
        else "nothing"
    )
