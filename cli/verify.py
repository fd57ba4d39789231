"""`headrace verify`: the proof that what is served is what was committed."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import InvalidArgumentError
from ..contract.json_values import to_json
from .console import Count, note, progress, show, show_json, show_table
from .lookup import typed_entities
from .options import AsJson, OptionalGroupName

if TYPE_CHECKING:
    from ..resources.online.verification import Verification
    from .installation import Installation


def verify(
    group: OptionalGroupName = None,
    entity: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Look at one entity alone: a value for each join key of the group.",
        ),
    ] = None,
    *,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Draw N entities of each group at random, and N stored rows, and look at those.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compare every stored row, byte by byte, with what is committed offline.

    For example: headrace verify household_spend household_id=1

    A sample says with 95 % confidence in which interval the share of right entities lies. It sees
    rows that should not be there only where it draws them.

    The exit status is 1 when a row differs, is missing or should not be there, or when a commit
    that is due online is not; then the first of the differing keys are listed.
    """
    from .installation import Installation

    installation = Installation.open()
    if entity:
        found = [_verification_of(installation, group, entity)]
    else:
        found = verifications(installation, group, sample)
    if not any(installation.committed(each) for each in installation.groups(group)):
        note(f"nothing is committed in {installation.environment.offline}: nothing was compared")
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
    """A verification for programs, with its verdict and how sure it is."""
    consistency = verification.consistency
    return {
        **asdict(verification),
        "is_clean": verification.is_clean,
        "consistency": None if consistency is None else asdict(consistency),
    }


def _verification_of(
    installation: "Installation", reference: str | None, words: Sequence[str]
) -> "Verification":
    """What is found about one entity of one group."""
    import polars as pl

    from ..resources.online.verification import verify_entities

    (group,) = installation.groups(reference)
    names = group.spec.entity.key_names
    given = dict(word.partition("=")[::2] for word in words)
    if sorted(given) != sorted(names) or len(given) != len(words):
        raise InvalidArgumentError(
            argument=" ".join(words),
            problem=f"it is not one value for each join key of {group.spec.reference}",
            remedy=f"write {' '.join(f'{name}=VALUE' for name in names)}",
        )
    typed = typed_entities({name: [text] for name, text in given.items()}, [group.spec.entity])
    table = installation.table(group)
    entities = pl.DataFrame(typed, schema={name: table.spec.schema[name] for name in names})
    with installation.deployment.publishing() as publishing:
        return verify_entities(
            group.spec,
            table,
            entities,
            online=publishing.online,
            registry=publishing.registry,
        )


def show_verifications(found: "list[Verification]") -> None:
    """Print a line for each group, its differences, and the verdict."""
    show_table(
        [
            *("group", "equal", "differing", "missing", "extra", "being published"),
            *("not published", "consistency"),
        ],
        [
            [
                each.group,
                *map(Count, (each.equal, each.differing, each.missing, each.extra)),
                *map(Count, (each.superseded, len(each.unpublished))),
                _in_percent(each),
            ]
            for each in found
        ],
    )
    for each in found:
        if each.absent:
            show(f"{each.group}: the entity is in neither, not committed and not served")
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
    if any(each.searched is not None for each in found):
        show("a sample finds rows that should not be there only where it draws them")
    is_clean = all(each.is_clean for each in found)
    show("online equals offline" if is_clean else "online differs from offline")


def _in_percent(verification: "Verification") -> str:
    consistency = verification.consistency
    if consistency is None:
        return "–"
    if not verification.sampled:
        return f"{consistency.share:.4%}"
    return f"{consistency.share:.4%} ({consistency.low:.4%} to {consistency.high:.4%})"
