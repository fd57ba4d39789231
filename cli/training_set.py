"""`headrace training-set`: point-in-time training data for a spine, in a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import InvalidArgumentError, UnknownNameError
from .console import show, show_json
from .options import AsJson

if TYPE_CHECKING:
    import polars as pl


def training_set(
    *,
    spine: Annotated[
        Path,
        typer.Option(
            metavar="F.parquet",
            help="The rows: join keys, event_timestamp (UTC), and any other columns.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="F.parquet", help="Where to write the result.", show_default=False),
    ],
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
    json: AsJson = False,
) -> None:
    """Join features to a spine as they were known at its times.

    One row per row of the spine, in its order; a column group__feature for each feature, null where
    nothing was known, or it was older than its TTL. Needs no server and no online store.
    """
    from ..assets.point_in_time import OfflineStore, training_frame

    references = _references(features, service)
    instant = _instant(known_at)
    for path, option in ((out, "--out"), (receipt, "--receipt")):
        _require_folder(path, option)
    frame, made_of = training_frame(_read(spine), references, OfflineStore.from_env(), instant)
    frame.write_parquet(out)
    if receipt is not None:
        receipt.write_text(made_of.to_json() + "\n")
    if json:
        show_json({"rows": frame.height, "columns": frame.columns, "out": str(out)})
    else:
        show(f"{frame.height:,} rows of {frame.width} columns in {out}")


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


def _require_folder(path: Path | None, option: str) -> None:
    """See to it, before the work is done, that a result can be written."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InvalidArgumentError(
            argument=option,
            problem=f"{path} is no file in a folder that exists",
            remedy="create the folder, or name another file",
        )


def _read(spine: Path) -> "pl.DataFrame":
    import polars as pl

    try:
        return pl.read_parquet(spine)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidArgumentError(
            argument="--spine",
            problem=f"{spine} cannot be read ({error})",
            remedy="name a Parquet file",
        ) from error


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
