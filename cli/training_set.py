"""`headrace training-set`: point-in-time training data for a spine, in a file or a folder."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..contract.errors import InvalidArgumentError, UnknownNameError
from .options import ROWS_PER_PART, AsJson, RowsPerPart, TrainingOut
from .training_output import check_place, count_rows, rows_bar, show_written, write_receipt


def training_set(
    *,
    spine: Annotated[
        Path,
        typer.Option(
            metavar="F.parquet",
            help="A file, or a folder of them: join keys, event_timestamp (UTC), others.",
            show_default=False,
        ),
    ],
    out: TrainingOut,
    features: Annotated[
        str | None,
        typer.Option(metavar="G:F,...", help="group:feature or group, separated by commas."),
    ] = None,
    service: Annotated[
        str | None, typer.Option(metavar="S", help="The features of this feature service.")
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(metavar="F.json", help="Where to write what it was made of.")
    ] = None,
    known_at: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="Read tables as they were committed at this instant."),
    ] = None,
    rows_per_part: RowsPerPart = ROWS_PER_PART,
    json: AsJson = False,
) -> None:
    """Join features to a spine as they were known at its times.

    One row per row of the spine, in its order; a column group__feature for each feature, null where
    nothing was known, or it was older than its TTL. Needs no server and no online store.

    What it was made of is kept in the offline store, so that `headrace replay` can make it again.
    """
    from ..assets.point_in_time import OfflineStore, write_training_set

    references, instant = _references(features, service), _instant(known_at)
    if receipt is not None:
        check_place(receipt, "--receipt")
        _check_apart(receipt, {"--out": out, "--spine": spine})
    with rows_bar("training-set", count_rows(spine)) as on_rows:
        made_of = write_training_set(
            spine,
            references,
            OfflineStore.from_env(),
            out,
            known_at=instant,
            rows_per_part=rows_per_part,
            on_rows=on_rows,
        )
    if receipt is not None:
        write_receipt(made_of, receipt)
    show_written(made_of, out, as_json=json)


def _check_apart(receipt: Path, others: Mapping[str, Path]) -> None:
    for option, path in others.items():
        if path.resolve() == receipt.resolve():
            raise InvalidArgumentError(
                argument="--receipt",
                problem=f"{receipt} is what {option} names, and would be overwritten",
                remedy="name another file",
            )


def _references(features: str | None, service: str | None) -> list[str]:
    from .installation import Installation

    if features and not service:
        return [each.strip() for each in features.split(",")]
    if features or not service:
        raise InvalidArgumentError(
            argument="training-set",
            problem="it takes either --features or --service",
            remedy="give one of them",
        )
    services = Installation.open().declarations.services
    if service not in services:
        raise UnknownNameError(kind="feature service", name=service, known=services)
    return list(services[service].spec.features)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgumentError(
            argument="--known-at",
            problem=f"{text!r} is no instant",
            remedy="write it as 2018-01-02T00:00:00Z",
        ) from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
