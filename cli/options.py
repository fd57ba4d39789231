"""Arguments and options that several commands share."""

from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON, for a program to read.")
]
GroupName: TypeAlias = Annotated[
    str, typer.Argument(metavar="GROUP", help="A feature group: its name, or name@version.")
]
OptionalGroupName: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="[GROUP]", help="A feature group, or name@version; without it: all."),
]
Partitions: TypeAlias = Annotated[
    str,
    typer.Option(
        "--partitions",
        metavar="A..B",
        help="Partitions from A to B, both included (2017-12-01..2018-01-01), or one.",
    ),
]
Force: TypeAlias = Annotated[
    bool,
    typer.Option("--force", help="Also where the target is published less far than what is live."),
]
Bind: TypeAlias = Annotated[
    str,
    typer.Option("--bind", metavar="HOST:PORT", help="Where the feature server listens."),
]
DagsterAddress: TypeAlias = Annotated[
    str,
    typer.Option("--dagster", metavar="HOST:PORT", help="Where Dagster's web interface listens."),
]
Server: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        help="The feature server to ask; without it, the one that runs on this home.",
    ),
]

BIND = "127.0.0.1:50051"
DAGSTER = "127.0.0.1:3000"
