"""`headrace describe`: everything about one feature group."""

from typing import TYPE_CHECKING

from .console import counted, note, show, show_json, show_table
from .gate import held, quarantined, warned, warning_in_words
from .groups import group_to_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from ..assets.declarations import FeatureGroup
    from ..contract.partitions import Partitioning
    from .installation import Installation

_NEAR = 2  # columns on a path without another group's feature in between


def describe(group: GroupName, *, json: AsJson = False) -> None:
    """Show a feature group: schema, lineage, owners, partitions, freshness."""
    from .installation import Installation

    installation = Installation.open()
    declared = installation.group(group)
    described = _described(installation, declared)
    if json:
        show_json(described)
    else:
        _show(declared, described)


def _show(declared: "FeatureGroup", described: dict) -> None:
    _show_group(declared, described)
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
                computed_from(described["lineage"].get(feature["name"])),
                feature["description"],
            ]
            for feature in described["features"]
        ],
    )
    distant = _distant(described["origins"])
    if distant:
        show("")
        show_table(["feature", "goes back to", "through"], distant)


def _show_group(declared: "FeatureGroup", described: dict) -> None:
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
            ["committed", span_in_words(described["committed"], declared.partitions)],
            ["outdated", span_in_words(described["outdated"], declared.partitions)],
            *([["warning", warning_in_words(each)] for each in described["warnings"]]),
            ["quarantined", _kept_back(declared, described["quarantined"])],
            *([["held", _kept_back(declared, described["held"])]] if described["approval"] else []),
            ["fresh within", declared.freshness],
            ["offline", described["offline"]],
        ],
    )


def lineage_to_json(group: "FeatureGroup") -> dict:
    """For each column, the input columns that it is computed from and that decide its rows.

    Of a group whose function fails on empty frames nothing is known: there are no columns then.
    """
    from ..assets.declared_lineage import declared_lineage

    try:
        lineage = declared_lineage(group)
    except Exception as error:  # noqa: BLE001 - the function is its author's; a look must not fail
        note(f"the lineage of {group.spec.reference} cannot be derived: {error}")
        return {}
    return {
        output: {
            "computed_from": [f"{asset}.{column}" for asset, column in each.direct],
            "rows_decided_by": [f"{asset}.{column}" for asset, column in each.rows],
            "is_opaque": each.is_opaque,
        }
        for output, each in lineage.items()
    }


def computed_from(lineage: dict | None) -> str | None:
    """What a column is computed from, in a cell of a table; `None` where nothing is known."""
    if lineage is None:
        return None
    columns = ", ".join(lineage["computed_from"])
    return f"{columns} (opaque)" if lineage["is_opaque"] else columns


def origins_to_json(installation: "Installation", group: "FeatureGroup") -> dict:
    """For each feature, the columns of sources and dimensions that touch it, at any distance.

    `path` leads from the feature there, through the features of other groups.
    """
    from ..assets.column_graph import Column, ColumnGraph, table_asset

    graph = ColumnGraph.of(installation.declarations)
    return {
        feature.name: [
            {"column": str(origin), "touch": reach.touch.value, "path": list(map(str, reach.path))}
            for origin, reach in graph.raw_origins_of(
                Column(table_asset(group), feature.name)
            ).items()
        ]
        for feature in group.spec.features
    }


def _described(installation: "Installation", group: "FeatureGroup") -> dict:
    from ..assets.declarations import Input
    from ..assets.outdated import outdated_partitions
    from ..assets.pinned_inputs import asset_name, upstream_of

    table = installation.table(group)
    commits = table.snapshot().commits
    is_live = installation.live_versions().get(group.name) == group.version
    return {
        **group_to_json(group, is_live=is_live),
        "offline": table.uri,
        "committed": list(commits),
        "rows": sum(commit.rows for commit in commits.values()),
        "outdated": outdated_partitions(group, installation.deployment.offline),
        "warnings": warned("/".join(group.offline_path), commits),
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
        "origins": origins_to_json(installation, group),
    }


def _distant(origins: dict) -> list[list[str]]:
    """The raw columns whose values enter a feature through other groups' features."""
    return [
        [feature, origin["column"], " ← ".join(origin["path"][1:-1])]
        for feature, found in origins.items()
        for origin in found
        if origin["touch"] == "direct" and len(origin["path"]) > _NEAR
    ]


def _kept_back(group: "FeatureGroup", found: list[dict]) -> str:
    if not found:
        return "nothing"
    rows = sum(each["rows"] for each in found)
    span = span_in_words([each["partition"] for each in found], group.partitions)
    return f"{counted(rows, 'row')} of {span}"


def span_in_words(partitions: list[str], partitioning: "Partitioning") -> str:
    """How many partitions, and from which to which; where some between are left out, says so."""
    if not partitions:
        return "nothing"
    first, last = min(partitions), max(partitions)
    count = counted(len(partitions), "partition")
    if first == last:
        return f"{count}, {first}"
    start, end = partitioning.window(first).start, partitioning.window(last).end
    every = sum(1 for _ in partitioning.keys(start, end))
    if every == len(partitions):
        return f"{count}, {first}..{last}"
    return f"{len(partitions):,} of the {every:,} partitions {first}..{last}"
