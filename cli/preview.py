"""`headrace preview`: a partition as it would be committed."""

from typing import TYPE_CHECKING, Annotated

import typer

from .console import counted, show, show_json, show_table
from .describe import computed_from, lineage_to_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from ..assets.declarations import FeatureGroup
    from ..assets.materialization import Preview

_SHOWN = 10


def preview(
    group: GroupName,
    *,
    partition: Annotated[
        str,
        typer.Option(metavar="P", help="The partition, such as 2018-01-01.", show_default=False),
    ],
    rows: Annotated[int, typer.Option(min=0, metavar="N", help="How many rows to show.")] = _SHOWN,
    json: AsJson = False,
) -> None:
    """Compute a partition from what is committed, and write nothing.

    Shows its rows, what its checks say, what it was read from and where each column comes from. The
    exit status is 1 when its checks refuse it.
    """
    from ..assets.materialization import preview as previewed
    from .installation import Installation
    from .partition_range import asked_partitions

    installation = Installation.open()
    declared = installation.group(group)
    (key,) = asked_partitions(declared, partition, installation.clock.now(), option="--partition")
    result = previewed(declared, key, installation.deployment.offline)
    found = _to_json(declared, key, result, rows)
    if json:
        show_json(found)
    else:
        _show(found, result)
    if not result.verdict.passed:
        raise typer.Exit(1)


def _show(found: dict, result: "Preview") -> None:
    first = found["first_rows"]
    show_table(result.rows.columns, [list(row.values()) for row in first])
    show(f"{len(first):,} of {counted(found['rows'], 'row')}; nothing was written")
    show(f"checks: {result.verdict}")
    show("")
    show_table(
        ["input", "table version", "partitions", "absent"],
        [
            [use["asset"], use["table_version"], len(use["partitions"]), ", ".join(use["absent"])]
            for use in found["inputs"]
        ],
    )
    show("")
    show_table(
        ["column", "computed from", "rows decided by"],
        [
            [column, computed_from(each), ", ".join(each["rows_decided_by"])]
            for column, each in found["lineage"].items()
        ],
    )


def _to_json(group: "FeatureGroup", partition: str, result: "Preview", rows: int) -> dict:
    return {
        "feature_group": group.name,
        "version": group.version,
        "partition": partition,
        "rows": result.rows.height,
        "first_rows": result.rows.head(rows).to_dicts(),
        "verdict": result.verdict.to_json(),
        "inputs": [
            {
                "asset": use.asset,
                "table_version": use.version,
                "partitions": use.generations,
                "absent": use.absent,
                "complete": use.is_complete,
            }
            for use in result.uses
        ],
        "lineage": lineage_to_json(group),
    }
