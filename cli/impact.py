"""`headrace impact`: what a column feeds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import InvalidArgumentError, UnknownNameError
from .console import counted, show, show_json, show_table
from .options import AsJson

if TYPE_CHECKING:
    from ..assets.column_graph import Column, ColumnGraph, Reach
    from ..assets.impact import Impact
    from .installation import Installation

_FEEDS_NOTHING = "no feature, training set or feature service"


def impact(
    column: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE.COLUMN",
            help="A column of a source, dimension or training set, or GROUP.FEATURE.",
        ),
    ],
    *,
    json: AsJson = False,
) -> None:
    """List every feature, training set and feature service that a column touches.

    At any distance, through features that are computed from features. "direct" are those into
    whose values its values enter; "rows" those whose rows it decides, as a key or a filter does.
    Read from the declarations: nothing has to be computed before.
    """
    from ..assets.column_graph import ColumnGraph
    from ..assets.impact import impact as impact_of
    from .installation import Installation

    installation = Installation.open()
    graph = ColumnGraph.of(installation.declarations)
    found = impact_of(graph, installation.declarations, _column(installation, graph, column))
    if json:
        show_json(_to_json(found))
    else:
        _show(found)


def _column(installation: "Installation", graph: "ColumnGraph", text: str) -> "Column":
    """The column that `TABLE.COLUMN` or `GROUP:FEATURE` names."""
    from ..assets.column_graph import Column

    table, dot, name = text.replace(":", ".").rpartition(".")
    if not (table and dot and name):
        raise InvalidArgumentError(
            argument="SOURCE.COLUMN",
            problem=f"{text!r} names no column of anything",
            remedy="write it as transactions.sales_value or household_spend.spend_30d",
        )
    asset = _asset(installation, graph, table)
    columns = graph.columns[asset]
    if name not in columns:
        known = [f"{table}.{each}" for each in columns]
        raise UnknownNameError(kind="column", name=f"{table}.{name}", known=known)
    return Column(asset, name)


def _asset(installation: "Installation", graph: "ColumnGraph", name: str) -> str:
    """The asset of a name: an asset key itself, else a source's, dimension's, group's, set's."""
    from ..assets.column_graph import table_asset

    declared = installation.declarations
    if name in graph.columns:
        return name
    for kind in (declared.sources, declared.dimensions):
        if name in kind:
            return table_asset(kind[name])
    groups = {group.name for group in declared.groups.values()}
    if name.partition("@")[0] in groups:
        return table_asset(installation.group(name))
    if name in declared.training_sets:
        return table_asset(declared.training_sets[name])
    known = [*declared.sources, *declared.dimensions, *groups, *declared.training_sets]
    raise UnknownNameError(
        kind="source, dimension, feature group or training set", name=name, known=known
    )


def _to_json(found: "Impact") -> dict:
    from ..assets.impact import closest, owners_of

    return {
        "column": str(found.column),
        "features": [
            {
                "feature": f"{feature.group.spec.reference}:{feature.spec.name}",
                **_reach(reach),
                "owners": list(feature.group.spec.owners),
            }
            for feature, reach in found.features.items()
        ],
        "training_sets": [
            {
                "name": each.name,
                "touch": closest(columns.values()).value,
                "columns": [{"column": name, **_reach(reach)} for name, reach in columns.items()],
                "owners": list(owners_of(each)),
            }
            for each, columns in found.training_sets.items()
        ],
        "feature_services": [
            {
                "name": service.name,
                "version": service.spec.version,
                "touch": closest(features.values()).value,
                "features": [
                    {"feature": str(feature.reference), **_reach(reach)}
                    for feature, reach in features.items()
                ],
                "owners": list(owners_of(service)),
            }
            for service, features in found.services.items()
        ],
    }


def _reach(reach: "Reach") -> dict:
    return {"touch": reach.touch.value, "path": list(map(str, reach.path))}


def _show(found: "Impact") -> None:
    said = _to_json(found)
    counts = [
        counted(len(said[kind]), thing)
        for kind, thing in (
            ("features", "feature"),
            ("training_sets", "training set"),
            ("feature_services", "feature service"),
        )
        if said[kind]
    ]
    show(f"{found.column} touches {', '.join(counts) or _FEEDS_NOTHING}")
    if said["features"]:
        show("")
        show_table(
            ["feature", "touch", "path", "owners"],
            [
                [
                    *(each["feature"], each["touch"]),
                    *(" → ".join(each["path"]), ", ".join(each["owners"])),
                ]
                for each in said["features"]
            ],
        )
    for kind, title, listed in (
        ("training_sets", "training set", "columns"),
        ("feature_services", "feature service", "features"),
    ):
        if said[kind]:
            show("")
            show_table(
                [title, "touch", listed, "owners"],
                [_row(each, listed) for each in said[kind]],
            )


def _row(each: Mapping, listed: str) -> list[object]:
    """A training set or service: how many of its columns are touched directly, and how many."""
    direct = sum(found["touch"] == "direct" for found in each[listed])
    return [
        each["name"],
        each["touch"],
        f"{len(each[listed])}, {direct} of them directly",
        ", ".join(each["owners"]),
    ]
