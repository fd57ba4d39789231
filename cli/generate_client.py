"""`headrace generate-client`: a typed module for one feature service."""

from pathlib import Path
from typing import Annotated

import typer

from ..contract.errors import OutputUnwritableError
from .console import show
from .options import Server


def generate_client(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="A feature service.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.py",
            help="Where to write it; without it, SERVICE_client.py in this folder.",
            show_default=False,
        ),
    ] = None,
    server: Server = None,
) -> None:
    """Write a typed Python client of a feature service.

    A frozen dataclass holds the answer for one entity; lookup and lookup_async ask for many. The
    same contract makes the same file. A server whose contract no longer fits is told at the first
    lookup.

    Asks the feature server of this home; where none runs, one is started for this command alone.
    """
    from ..contract.environment import Environment
    from ..serving.client import FeatureClient
    from .client_code import client_code
    from .reach import reached_server

    with reached_server(Environment.read(), server) as address, FeatureClient(address) as client:
        contract = client.get_service_contract(service)
    path = out or Path(f"{service}_client.py")
    try:
        path.write_text(client_code(contract), encoding="utf-8")
    except OSError as error:
        raise OutputUnwritableError(path=str(path), reason=str(error.strerror)) from error
    show(f"{path}: {len(contract.columns)} features, service {service} version {contract.version}")
