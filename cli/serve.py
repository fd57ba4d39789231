"""`headrace serve`: the feature server alone."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from .addresses import free_port, host_and_port, require_free_port
from .children import answer_to_signals
from .home import announced_server
from .options import Rest

_TLS, _SETTINGS = "TLS", "Settings"
Bind: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--bind",
        metavar="HOST:PORT",
        help="Where the feature server listens.",
        show_default="127.0.0.1:50051",
    ),
]
TransportName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--transport",
        metavar="auto|lean|aio",
        help="lean is fast and needs this grpcio's private parts, aio its public ones alone;"
        " auto takes lean where it works.",
        show_default="auto",
    ),
]
Workers: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Processes that serve, which share the port; one that ends is replaced.",
        show_default="1",
    ),
]
MetricsAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        help="Where it shows metrics and health over HTTP, without features.",
    ),
]
Certificate: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls-cert",
        metavar="FILE",
        rich_help_panel=_TLS,
        help="A PEM file: the server's certificate chain; without it, plaintext is spoken"
        " (HEADRACE_TLS_CERT).",
    ),
]
Key: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls-key",
        metavar="FILE",
        rich_help_panel=_TLS,
        help="A PEM file: the certificate's private key (HEADRACE_TLS_KEY).",
    ),
]
ClientAuthority: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls-client-ca",
        metavar="FILE",
        rich_help_panel=_TLS,
        help="A PEM file: who vouches for callers, which then need a certificate"
        " (HEADRACE_TLS_CLIENT_CA).",
    ),
]
ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        rich_help_panel=_SETTINGS,
        help="A TOML file of settings. Flags go before variables (HEADRACE_SERVE_...), and those"
        " before the file.",
    ),
]
PrintConfig: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--print-config",
        rich_help_panel=_SETTINGS,
        help="Print every setting and where its value comes from, and end.",
    ),
]


def serve(
    *,
    bind: Bind = None,
    transport: TransportName = None,
    workers: Workers = None,
    rest: Rest = None,
    metrics: MetricsAddress = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    tls_client_ca: ClientAuthority = None,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
) -> None:
    """Run the feature server alone, until Ctrl-C or SIGTERM.

    Needs the `serving` extra; where HEADRACE_REDIS names no store, the embedded Valkey is joined or
    started, which needs the `pipeline` extra.
    """
    import os
    import sys
    from dataclasses import replace

    from ..serving.__main__ import serve as serve_until_stopped
    from ..serving.configuration import configure
    from ..serving.logs import begin_logging

    flags = {
        "bind": bind,
        "transport": transport,
        "workers": None if workers is None else str(workers),
        "rest.bind": rest,
        "metrics.bind": metrics,
        "tls.certificate": tls_cert,
        "tls.key": tls_key,
        "tls.client_ca": tls_client_ca,
    }
    configuration = configure(flags, os.environ, config)
    if print_config:
        sys.stdout.write(configuration.printed())
        return
    answer_to_signals()
    environment, settings = configuration.environment, configuration.settings
    address = _with_port(settings.bind)
    require_free_port(address, purpose="the feature server", option="--bind")
    begin_logging(settings.log)
    with ExitStack() as stack:
        if environment.redis is None:
            from ..resources.online.local_valkey import LocalValkey

            stack.enter_context(LocalValkey(environment))
        stack.enter_context(announced_server(environment, address))
        given = {**flags, "bind": address}
        serve_until_stopped(replace(settings, bind=address), given, config)


def _with_port(bind: str) -> str:
    """The address with a free port in place of port 0, so that it can be announced."""
    host, port = host_and_port(bind, option="--bind")
    return bind if port else f"{bind.removesuffix('0')}{free_port(host)}"
