"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON, for a program to read.")
]
GroupName: TypeAlias = Annotated[
    str, typer.Argument(metavar="GROUP", help="A feature group: its name, or name@version.")
]
GatedName: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A feature group (name, or name@version), a source or a dimension."
    ),
]
OptionalGroupName: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="GROUP", help="A feature group, or name@version; without it: all."),
]
Partitions: TypeAlias = Annotated[
    str,
    typer.Option(
        "--partitions",
        metavar="A..B",
        help="Partitions from A to B, both included (2017-12-01..2018-01-01), or one.",
    ),
]
OptionalPartitions: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--partitions",
        metavar="A..B",
        help="Partitions from A to B, both included (2017-12-01..2018-01-01), or one.",
        show_default=False,
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
Rest: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--rest",
        metavar="HOST:PORT",
        help="Where the feature server answers over HTTP and JSON, too; /docs there says what.",
    ),
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
TrainingOut: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="F.parquet",
        help="Where to write the result; a name without a suffix is a folder of parts.",
        show_default=False,
    ),
]
RowsPerPart: TypeAlias = Annotated[
    int,
    typer.Option(
        "--rows-per-part",
        min=1,
        metavar="N",
        help="How many rows of the spine are joined at a time, where --out is a folder.",
    ),
]

ROWS_PER_PART = 1_000_000
BIND = "127.0.0.1:50051"
DAGSTER = "127.0.0.1:3000"
