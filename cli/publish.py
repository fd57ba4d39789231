"""`headrace publish`: committed partitions become what is served."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .console import counted, progress, show, show_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from ..resources.publisher import Publication


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
    json: AsJson = False,
) -> None:
    """Publish committed partitions, also those that were materialized with --offline-only.

    What is published already is left alone, so the command may be repeated.
    """
    from ..assets.publishing import publish_partitions, register_services
    from .installation import Installation
    from .partition_range import asked_partitions

    installation = Installation.open()
    declared = installation.group(group)
    wanted = (
        list(installation.table(declared).snapshot().commits)
        if partitions is None
        else asked_partitions(declared, partitions, installation.clock.now(), option="--partitions")
    )
    done: list[Publication] = []
    with installation.deployment.publishing() as publishing, progress() as bar:
        task = bar.add_task(f"publish {declared.name}", total=len(wanted))
        for publication in publish_partitions(
            declared, wanted, installation.deployment, publishing
        ):
            done.append(publication)
            bar.advance(task)
        register_services(installation.declarations.services.values(), declared, publishing)
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
