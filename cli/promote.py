"""`headrace promote` and `headrace rollback`: which version of a group is live."""

from typing import Annotated

import typer

from ..contract.errors import InvalidArgumentError
from ..contract.references import parse_reference
from .console import show, show_json
from .options import AsJson, Force


def promote(
    versions: Annotated[
        list[str], typer.Argument(metavar="GROUP@VERSION…", help="Versions of different groups.")
    ],
    *,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Make versions live, all of them at one instant.

    Servers follow within a second; training reads the new versions from now on. A version is
    refused that is not published completely, or not as far as the one that is live.
    """
    from ..resources.online.versions import promote_versions
    from .installation import Installation

    targets = _targets(versions)
    with Installation.open().deployment.publishing() as publishing:
        before = promote_versions(
            targets, online=publishing.online, registry=publishing.registry, force=force
        )
    if json:
        show_json({"live": targets, "before": before})
        return
    for name, version in targets.items():
        was = before[name]
        show(
            f"{name}@{version} was live already"
            if was == version
            else f"{name}@{version} is live{f' instead of {name}@{was}' if was else ''}"
        )


def rollback(
    groups: Annotated[list[str], typer.Argument(metavar="GROUP…", help="Groups by name.")],
    *,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Make the version live again that was live before; several groups at one instant.

    Each rollback undoes one promotion: the second goes back to the version before that one.
    """
    from ..resources.online.versions import roll_back_versions
    from .installation import Installation

    with Installation.open().deployment.publishing() as publishing:
        live = roll_back_versions(
            list(dict.fromkeys(groups)),
            online=publishing.online,
            registry=publishing.registry,
            force=force,
        )
    if json:
        show_json({"live": live})
        return
    for name, version in live.items():
        show(f"{name}@{version} is live again")


def name_and_version(text: str) -> tuple[str, int]:
    """The group and the version that `group@version` names.

    Raises:
        InvalidArgumentError: It names no version, or a feature.
    """
    reference = parse_reference(text)
    if reference.version is None or reference.feature is not None:
        raise InvalidArgumentError(
            argument=text, problem="it does not name a version", remedy="write GROUP@VERSION"
        )
    return reference.group, reference.version


def _targets(texts: list[str]) -> dict[str, int]:
    targets: dict[str, int] = {}
    for text in texts:
        name, version = name_and_version(text)
        if targets.setdefault(name, version) != version:
            raise InvalidArgumentError(
                argument=text,
                problem=f"two versions of {name} cannot both be live",
                remedy="name each group once",
            )
    return targets
