"""`headrace serve`: the feature server alone."""

from contextlib import ExitStack
from typing import Annotated, TypeAlias

import typer

from .addresses import free_port, host_and_port, require_free_port
from .children import answer_to_signals
from .home import announced_server
from .options import BIND, Bind

_TLS = "TLS"
TransportName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--transport",
        metavar="auto|lean|aio",
        help="lean is fast and needs this grpcio's private parts, aio its public ones alone;"
        " auto takes lean where it works.",
    ),
]
Certificate: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls-cert",
        metavar="FILE",
        envvar="HEADRACE_TLS_CERT",
        rich_help_panel=_TLS,
        help="A PEM file: the server's certificate chain; without it, plaintext is spoken.",
    ),
]
Key: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls-key",
        metavar="FILE",
        envvar="HEADRACE_TLS_KEY",
        rich_help_panel=_TLS,
        help="A PEM file: the certificate's private key.",
    ),
]
ClientAuthority: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls-client-ca",
        metavar="FILE",
        envvar="HEADRACE_TLS_CLIENT_CA",
        rich_help_panel=_TLS,
        help="A PEM file: who vouches for callers, which then need a certificate.",
    ),
]


def serve(
    *,
    bind: Bind = BIND,
    transport: TransportName = "auto",
    tls_cert: Certificate = None,
    tls_key: Key = None,
    tls_client_ca: ClientAuthority = None,
) -> None:
    """Run the feature server alone, until Ctrl-C or SIGTERM.

    Needs the `serving` extra; where HEADRACE_REDIS names no store, the embedded Valkey is joined or
    started, which needs the `pipeline` extra.
    """
    from dataclasses import replace

    from ..contract.environment import Environment
    from ..serving.__main__ import serve as serve_until_stopped
    from ..serving.settings import Settings
    from ..serving.tls import tls_settings

    answer_to_signals()
    environment = Environment.read()
    tls = tls_settings(tls_cert, tls_key, tls_client_ca)
    address = _with_port(bind)
    require_free_port(address, purpose="the feature server", option="--bind")
    with ExitStack() as stack:
        if environment.redis is None:
            from ..resources.online.local_valkey import LocalValkey

            stack.enter_context(LocalValkey(environment))
        stack.enter_context(announced_server(environment, address))
        serve_until_stopped(replace(Settings.of(environment, bind=address), tls=tls), transport)


def _with_port(bind: str) -> str:
    """The address with a free port in place of port 0, so that it can be announced."""
    host, port = host_and_port(bind, option="--bind")
    return bind if port else f"{bind.removesuffix('0')}{free_port(host)}"
