"""`headrace rebuild`: an online store that lost its rows, or never had them, is filled."""

from dataclasses import asdict, replace
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from .console import counted, progress, show, show_json
from .options import AsJson
from .verify import show_verifications, verification_to_json, verifications

if TYPE_CHECKING:
    from .installation import Installation


def rebuild(
    groups: Annotated[
        list[str] | None,
        typer.Argument(metavar="GROUP", help="Groups, or name@version; without any: all."),
    ] = None,
    *,
    redis: Annotated[
        str | None,
        typer.Option("--redis", metavar="URL", help="Fill this store, instead of the usual one."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write everything that is committed and due into the online store, then prove it.

    The catalogue comes first; each group answers once it is complete. May be repeated, and run
    beside publishes. The exit status is 1 when the proof fails.
    """
    from ..assets.publishing import rebuild_groups
    from .installation import Installation

    installation = _into(redis, Installation.open())
    asked: list[str | None] = [*groups] if groups else [None]
    began = perf_counter()
    wanted = [each for name in asked for each in installation.groups(name)]
    done = []
    with progress() as bar:
        task = bar.add_task("rebuild", total=len(wanted))
        for each in rebuild_groups(
            wanted, installation.declarations, installation.deployment, everything=not groups
        ):
            done.append(each)
            bar.advance(task)
    seconds = perf_counter() - began
    rebuilt = {each.group for each in done}
    found = [
        each
        for name in asked
        for each in verifications(installation, name)
        if each.group in rebuilt
    ]
    is_clean = all(each.is_clean for each in found) and all(each.complete for each in done)
    if json:
        show_json(
            {
                "rebuilt": [asdict(each) for each in done],
                "seconds": round(seconds, 3),
                "verified": is_clean,
                "groups": [verification_to_json(each) for each in found],
            }
        )
    else:
        rows = sum(each.rows for each in done)
        show(f"{counted(len(done), 'group')} rebuilt, {counted(rows, 'row')} in {seconds:.1f} s")
        show_verifications(found)
    if not is_clean:
        raise typer.Exit(1)


def _into(redis: str | None, installation: "Installation") -> "Installation":
    """The installation with another online store, if one is named."""
    from ..resources.deployments import Deployment

    if redis is None:
        return installation
    environment = replace(installation.environment, redis=redis)
    deployment = Deployment(environment, installation.deployment.offline)
    return replace(installation, deployment=deployment)
