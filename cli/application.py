"""The commands, put together, and the edge at which an error becomes a line and an exit status."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from ..contract.errors import HeadraceError
from . import (
    approve,
    demo,
    describe,
    drop,
    export_iceberg,
    generate_client,
    groups,
    impact,
    lookup,
    maintain,
    materialize,
    preview,
    promote,
    publish,
    quarantine,
    rebuild,
    replay,
    serve,
    status,
    training_set,
    up,
    verify,
)
from .console import complain
from .exit_status import exit_status, missing_extra
from .home import home_unusable

_EVERYTHING = "Run it all"
_LOOK = "See what there is"
_COMPUTE = "Compute and publish"
_VERSIONS = "Switch versions"
_STORE = "Look after the online store"
_READ = "Read features"


def application() -> typer.Typer:
    """The command line with all its commands, in the order in which `--help` shows them."""
    app = typer.Typer(
        name="headrace",
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # ours are one line, others keep Python's own traceback
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_headrace)
    for panel, command in (
        (_EVERYTHING, demo.demo),
        (_EVERYTHING, up.up),
        (_EVERYTHING, serve.serve),
        (_LOOK, groups.groups),
        (_LOOK, describe.describe),
        (_LOOK, impact.impact),
        (_LOOK, status.status),
        (_COMPUTE, preview.preview),
        (_COMPUTE, materialize.materialize),
        (_COMPUTE, quarantine.quarantine),
        (_COMPUTE, approve.approve),
        (_COMPUTE, publish.publish),
        (_COMPUTE, verify.verify),
        (_COMPUTE, maintain.maintain),
        (_VERSIONS, promote.promote),
        (_VERSIONS, promote.rollback),
        (_VERSIONS, drop.drop),
        (_STORE, rebuild.rebuild),
        (_STORE, drop.collect),
        (_READ, lookup.lookup),
        (_READ, generate_client.generate_client),
        (_READ, training_set.training_set),
        (_READ, export_iceberg.export_iceberg),
        (_READ, replay.replay),
    ):
        app.command(rich_help_panel=panel)(command)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit status, as `docs/how-to/operations.md` lists them."""
    try:
        application()(list(arguments), prog_name="headrace")
    except SystemExit as end:  # how typer ends, also after a usage error that it has shown
        return end.code if isinstance(end.code, int) else 0
    except HeadraceError as error:
        complain(str(error))
        return exit_status(error)
    except ModuleNotFoundError as error:
        extra = missing_extra(error)
        if extra is None:
            raise
        complain(f"this command needs {error.name}: pip install 'headrace[{extra}]'")
        return exit_status(error)
    except OSError as error:
        unusable = home_unusable(error)
        if unusable is None:
            raise
        complain(str(unusable))
        return exit_status(unusable)
    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headrace {version('headrace')}")
        raise typer.Exit


def _headrace(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Features, served as they were committed."""
