"""`headrace maintain`: tables that stay fast and small, without a change of any answer."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import InvalidArgumentError
from .console import Count, counted, in_bytes, progress, show, show_json, show_table
from .options import AsJson

if TYPE_CHECKING:
    from ..assets.materialization import Materialized
    from ..resources.offline.maintenance.maintained import Maintenance
    from .installation import Installation

_HOUR = 1 / 24  # in days


def maintain(
    groups: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="GROUP",
            help="Feature groups, each a name or name@version; without: all tables there are.",
        ),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    min_age: Annotated[
        float,
        typer.Option(
            "--min-age",
            metavar="DAYS",
            help="How long files stay after they were replaced; at least an hour (0.042).",
        ),
    ] = 7.0,
    json: AsJson = False,
) -> None:
    """Refresh histories, compact tables, write checkpoints, remove files that nobody needs.

    Kept are the newest version, those that stored receipts name, those that publishing still reads,
    and all that were in force within --min-age. It may run beside everything else, and again.
    """
    from ..assets.maintenance import maintain as maintain_declared
    from .installation import Installation

    if not min_age >= _HOUR:
        raise InvalidArgumentError(
            argument="--min-age",
            problem=f"{min_age:g} days are less than an hour, in which files may be in use",
            remedy="give 0.042 days or more",
        )
    installation = Installation.open()
    tables = _tables(installation, groups or [])
    with progress() as bar:
        done = [
            maintain_declared(
                each, installation.deployment, min_age=timedelta(days=min_age), dry_run=dry_run
            )
            for each in bar.track(tables, description="maintain")
        ]
    if json:
        show_json({"dry_run": dry_run, "tables": [maintenance_to_json(each) for each in done]})
    else:
        _show(done, dry_run=dry_run)


def maintenance_to_json(done: "Maintenance") -> dict:
    """A maintenance for programs: counts, bytes, and why each version was kept."""
    return asdict(done)


def _tables(installation: "Installation", groups: list[str]) -> "list[Materialized]":
    if groups:
        return [installation.group(reference) for reference in groups]
    return list(installation.declarations.tables)


def _show(done: "list[Maintenance]", *, dry_run: bool) -> None:
    show_table(
        ["table", "files", "compacted", "checkpoint", "removed", "size", "older versions kept"],
        [_row(each) for each in done],
    )
    for each in done:
        if each.kept.unknown is not None and each.compaction is not None:
            show(f"{each.table}: nothing was removed, as it is not known {each.kept.unknown}")
    removed = sum(each.vacuum.files for each in done if each.vacuum is not None)
    size = sum(each.vacuum.size for each in done if each.vacuum is not None)
    would = "would be removed" if dry_run else "removed"
    show(f"{counted(removed, 'file')} ({in_bytes(size)}) {would}")


def _row(each: "Maintenance") -> list[object]:
    if each.compaction is None:
        return [each.table, 0, 0, None, 0, in_bytes(0), 0]
    busy = f" ({each.compaction.busy} busy)" if each.compaction.busy else ""
    return [
        each.table,
        Count(each.compaction.files_after),
        f"{each.compaction.slices}{busy}" if busy else each.compaction.slices,
        each.checkpoint,
        None if each.vacuum is None else Count(each.vacuum.files),
        None if each.vacuum is None else in_bytes(each.vacuum.size),
        "all" if each.kept.unknown is not None else Count(len(each.kept.versions)),
    ]
