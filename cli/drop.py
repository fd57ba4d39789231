"""`headrace drop` and `headrace collect`: what is no longer read leaves the online store."""

from dataclasses import asdict
from typing import Annotated

import typer

from .console import counted, show, show_json
from .options import AsJson
from .promote import name_and_version

BUDGET = 1_000_000


def drop(
    version: Annotated[str, typer.Argument(metavar="GROUP@VERSION", help="A version.")],
    *,
    json: AsJson = False,
) -> None:
    """Take a version that is not live out of the online store, for ever.

    Its table in the offline store stays; its number is not used again. Repeat the command if it
    broke off.
    """
    from ..resources.online.dropping import drop_version
    from .installation import Installation

    name, number = name_and_version(version)
    deployment = Installation.open().deployment
    with deployment.publishing() as publishing:
        done = drop_version(
            name,
            number,
            online=publishing.online,
            offline=deployment.offline,
            registry=publishing.registry,
        )
    if json:
        show_json(asdict(done))
        return
    show(f"{done.group} is dropped, {counted(done.rows, 'row')} freed")
    if done.unreadable:
        gone = counted(done.unreadable, "former generation")
        show(f"{gone} can no longer be read; `headrace collect` finds what only they held")


def collect(
    *,
    budget: Annotated[
        int, typer.Option(min=1, metavar="N", help="Look at N keys, roughly.")
    ] = BUDGET,
    json: AsJson = False,
) -> None:
    """Remove rows that nobody reads: superseded, of dropped versions, of unknown entities.

    The next call goes on where this one stopped.
    """
    from ..resources.online.garbage import collect_garbage
    from .installation import Installation

    deployment = Installation.open().deployment
    with deployment.publishing() as publishing:
        found = collect_garbage(
            online=publishing.online,
            offline=deployment.offline,
            registry=publishing.registry,
            budget=budget,
        )
    if json:
        show_json({**asdict(found), "removed": found.removed})
        return
    show(
        f"{counted(found.removed, 'row')} removed of {found.looked_at:,}: {found.below_floor:,}"
        f" superseded, {found.dropped:,} of dropped versions, {found.orphans:,} of unknown entities"
    )
    if found.unknown:
        show(f"{counted(found.unknown, 'key')} left alone: their ids stand for nothing here")
    if found.unjudged:
        left = counted(found.unjudged, "key")
        show(f"{left} left alone: the offline store lacks what their groups publish")
    show("the whole store was looked at" if found.finished else "the next call goes on from here")
