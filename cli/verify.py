"""`headrace verify`: the proof that what is served is what was committed."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .console import progress, show, show_json, show_table, to_json
from .options import AsJson, OptionalGroupName

if TYPE_CHECKING:
    from ..resources.online.verification import Verification
    from .installation import Installation


def verify(
    group: OptionalGroupName = None,
    *,
    sample: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Look at N entities of each group, at random."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compare every stored row, byte by byte, with what is committed offline.

    The exit status is 1 when a row differs, is missing or should not be there, or when a commit
    that is due online is not; then the first of the differing keys are listed.
    """
    from .installation import Installation

    found = verifications(Installation.open(), group, sample)
    is_clean = all(verification.is_clean for verification in found)
    if json:
        show_json({"verified": is_clean, "groups": [verification_to_json(each) for each in found]})
    else:
        show_verifications(found)
    if not is_clean:
        raise typer.Exit(1)


def verifications(
    installation: "Installation", reference: str | None, sample: int | None = None
) -> "list[Verification]":
    """What is found about one group, or about all that are published."""
    from ..resources.online.verification import verify_group

    groups = [each for each in installation.groups(reference) if each.spec.online is not None]
    found = []
    with installation.deployment.publishing() as publishing, progress() as bar:
        task = bar.add_task("verify", total=len(groups))
        for each in groups:
            bar.update(task, description=f"verify {each.name}")
            found.append(
                verify_group(
                    each.spec,
                    installation.table(each),
                    publishing.online,
                    publishing.registry,
                    sample=sample,
                )
            )
            bar.advance(task)
    return found


def verification_to_json(verification: "Verification") -> dict:
    """A verification for programs, with its verdict."""
    return {**asdict(verification), "is_clean": verification.is_clean}


def show_verifications(found: "list[Verification]") -> None:
    """Print a line for each group, its differences, and the verdict."""
    show_table(
        ["group", "equal", "differing", "missing", "extra", "being published", "not published"],
        [
            [
                *(each.group, each.equal, each.differing, each.missing, each.extra),
                *(each.superseded, len(each.unpublished)),
            ]
            for each in found
        ],
    )
    differences = [(each.group, difference) for each in found for difference in each.differences]
    if differences:
        show("")
        show_table(
            ["group", "entity", "problem", "detail"],
            [
                [
                    group,
                    ", ".join(
                        f"{key}={to_json(value)}" for key, value in difference.entity.items()
                    ),
                    difference.problem,
                    difference.detail,
                ]
                for group, difference in differences
            ],
        )
    is_clean = all(each.is_clean for each in found)
    show("online equals offline" if is_clean else "online differs from offline")
