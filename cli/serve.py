"""`headrace serve`: the feature server alone."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from ..contract.errors import PortTakenError
from ..serving.flags import FLAGS
from .addresses import UNIX, free_port, host_and_port, require_free_port
from .children import answer_to_signals
from .home import announced_server
from .reach import listens

_TLS, _SETTINGS = "TLS", "Settings"
_PURPOSE = "the feature server"


def _flag(setting: str, panel: str | None = None) -> typer.models.OptionInfo:
    """The option that sets what a flag of `python -m headrace.serving` sets."""
    flag = FLAGS[setting]
    # The option's own default is none, so that a variable or a file may say another.
    default = "" if flag.default is None else f" \\[default: {flag.default}]"
    help_text = f"{flag.help[0].upper()}{flag.help[1:]}.{default}"
    made: typer.models.OptionInfo = typer.Option(
        flag.written,
        metavar=flag.metavar,
        help=help_text,
        rich_help_panel=panel,
        show_default=False,
    )
    return made


Bind: TypeAlias = Annotated[str | None, _flag("bind")]
TransportName: TypeAlias = Annotated[str | None, _flag("transport")]
Workers: TypeAlias = Annotated[str | None, _flag("workers")]
Rest: TypeAlias = Annotated[str | None, _flag("rest.bind")]
MetricsAddress: TypeAlias = Annotated[str | None, _flag("metrics.bind")]
Certificate: TypeAlias = Annotated[str | None, _flag("tls.certificate", _TLS)]
Key: TypeAlias = Annotated[str | None, _flag("tls.key", _TLS)]
ClientAuthority: TypeAlias = Annotated[str | None, _flag("tls.client_ca", _TLS)]
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
        "workers": workers,
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
    address = _free_address(settings.bind)
    begin_logging(settings.log)
    with ExitStack() as stack:
        if environment.redis is None:
            from .embedded_store import kept_valkey

            stack.enter_context(kept_valkey(environment))
        stack.enter_context(announced_server(environment, address))
        given = {**flags, "bind": address}
        serve_until_stopped(replace(settings, bind=address), given, config)


def _free_address(bind: str) -> str:
    """An address that nothing listens on; port 0 becomes a free one, so that it can be announced.

    Raises:
        PortTakenError: Something listens there.
        InvalidArgumentError: It is no address.
    """
    if bind.startswith(UNIX):
        address = f"{UNIX}{Path(bind.removeprefix(UNIX)).absolute()}"
        if listens(address):
            raise PortTakenError(address=address, purpose=_PURPOSE, option="--bind")
        return address
    host, port = host_and_port(bind, option="--bind")
    address = bind if port else f"{bind.removesuffix('0')}{free_port(host)}"
    require_free_port(address, purpose=_PURPOSE, option="--bind")
    return address
