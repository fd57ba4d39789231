"""`headrace quarantine`: the rows that were refused, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import InvalidArgumentError
from .console import Count, counted, show, show_json, show_table
from .options import AsJson, GatedName

if TYPE_CHECKING:
    import polars as pl

    from ..assets.declarations import Dimension, FeatureGroup, Source
    from .installation import Installation

_SHOWN = 10


def quarantine(
    name: GatedName,
    *,
    partition: Annotated[
        str | None,
        typer.Option(metavar="P", help="One partition; without it, all that have such rows."),
    ] = None,
    rows: Annotated[int, typer.Option(min=0, metavar="N", help="How many rows to show.")] = _SHOWN,
    json: AsJson = False,
) -> None:
    """Show rows that kept their partition from being committed: values, rules, run.

    They stay until the partition is computed again: refused anew, others take their place; once it
    is good they are gone. Nothing reads them but this command, and whoever opens their table.
    """
    import polars as pl

    from ..assets.quarantine import Quarantine
    from ..resources.offline.tables_beside import REASONS
    from .installation import Installation

    installation = Installation.open()
    declared = installation.gated(name)
    table = Quarantine.beside(declared.table, installation.deployment.offline).table
    partitions = _quarantined(installation, declared, partition)
    kept = table.snapshot().scan([each["partition"] for each in partitions]).head(rows).collect()
    if json:
        show_json({"table": table.uri, "partitions": partitions, "first_rows": kept.to_dicts()})
        return
    if not partitions:
        where = "" if partition is None else f", partition {partition},"
        show(f"nothing of {declared.name}{where} is in quarantine")
        return
    show_table(
        ["partition", "rows", "since", "run", "broken rules"],
        [
            [
                *(each["partition"], Count(each["rows"]), each["since"], each["run_id"][:8]),
                _rules(each),
            ]
            for each in partitions
        ],
    )
    if kept.height:
        show("")
        shown = kept.with_columns(kept[REASONS].map_elements(_reasons, return_dtype=pl.String))
        show_table(shown.columns, shown.rows())
    count = sum(each["rows"] for each in partitions)
    show(f"{counted(kept.height, 'row')} of {count:,}; all of them: {table.uri}")


def _quarantined(
    installation: "Installation",
    declared: "Source | Dimension | FeatureGroup",
    partition: str | None,
) -> list[dict]:
    """What is in quarantine, of one partition or of all; one that does not exist is refused."""
    from ..assets.declarations import Dimension
    from ..resources.offline.table_spec import WHOLE
    from .gate import quarantined
    from .partition_range import asked_partitions

    every = quarantined(installation, declared)
    found = [each for each in every if partition in {None, each["partition"]}]
    if partition is None or found:
        return found
    if not isinstance(declared, Dimension):
        asked_partitions(declared, partition, installation.clock.now(), option="--partition")
    elif partition != WHOLE:
        raise InvalidArgumentError(
            argument="--partition",
            problem=f"the dimension {declared.name!r} has none",
            remedy="leave it out",
        )
    return []


def _rules(found: dict) -> str:
    return "; ".join(_rule(each["rule"], each["column"]) for each in found["breaches"])


def _reasons(reasons: "pl.Series") -> str:
    return "; ".join(_rule(each["rule"], each["column"]) for each in reasons)


def _rule(rule: str, column: str | None) -> str:
    return rule if column is None else f"{rule} of {column}"
