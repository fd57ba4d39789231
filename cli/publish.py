"""`headrace publish`: committed partitions become what is served."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .console import counted, progress, show, show_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from ..resources.online.publisher import Publication


def publish(
    group: GroupName,
    *,
    partitions: Annotated[
        str | None,
        typer.Option(
            metavar="A..B",
            help="Partitions from A to B, both included, or one; without it: all committed ones.",
        ),
    ] = None,
    repeat: Annotated[
        bool,
        typer.Option("--repeat", help="Write rows again also where they were published before."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Publish committed partitions, also those that were materialized with --offline-only.

    What is published already is left alone, so the command may be repeated.
    """
    from ..assets.publishing import register_services
    from ..resources.online.publisher import publish_partition
    from .installation import Installation
    from .partition_range import asked_partitions

    installation = Installation.open()
    declared = installation.group(group)
    table = installation.table(declared)
    committed = table.snapshot().commits
    wanted = (
        tuple(committed)
        if partitions is None
        else asked_partitions(declared, partitions, installation.clock.now(), option="--partitions")
    )
    with installation.deployment.publishing() as publishing, progress() as bar:
        done = [
            publish_partition(
                declared.spec,
                table,
                key,
                online=publishing.online,
                registry=publishing.registry,
                repeat=repeat,
            )
            for key in bar.track(wanted, description=f"publish {declared.name}")
            if key in committed
        ]
        register_services(installation.declarations.services.values(), [declared], publishing)
    if json:
        show_json({"publications": [asdict(publication) for publication in done]})
    else:
        show(publications_in_words(done, asked=len(wanted)))


def publications_in_words(done: "list[Publication]", *, asked: int) -> str:
    """One line that says what publishing did."""
    already = sum(publication.already_published for publication in done)
    superseded = sum(
        publication.superseded and not publication.already_published for publication in done
    )
    written = sum(publication.rows_written for publication in done)
    retracted = sum(publication.rows_retracted for publication in done)
    published = counted(len(done) - already - superseded, "partition")
    parts = [f"{published} published ({counted(written, 'row')} written)"]
    if retracted:
        parts.append(f"{counted(retracted, 'row')} retracted")
    if superseded:
        parts.append(f"{superseded} superseded by a newer one")
    if already:
        parts.append(f"{already} published before")
    if asked > len(done):
        parts.append(f"{asked - len(done)} not committed yet")
    return ", ".join(parts)
