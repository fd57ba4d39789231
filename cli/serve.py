"""`headrace serve`: the feature server alone."""

from contextlib import ExitStack

from .addresses import free_port, host_and_port, require_free_port
from .children import answer_to_signals
from .home import announced_server
from .options import BIND, Bind


def serve(bind: Bind = BIND) -> None:
    """Run the feature server alone, until Ctrl-C or SIGTERM.

    Needs the `serving` extra; where HEADRACE_REDIS names no store, the embedded Valkey is joined or
    started, which needs the `pipeline` extra.
    """
    import asyncio

    from ..contract.environment import Environment
    from ..serving.__main__ import serve as serve_until_stopped
    from ..serving.settings import Settings

    answer_to_signals()
    environment = Environment.read()
    address = _with_port(bind)
    require_free_port(address, purpose="the feature server", option="--bind")
    with ExitStack() as stack:
        if environment.redis is None:
            from ..resources.online.local_valkey import LocalValkey

            stack.enter_context(LocalValkey(environment))
        stack.enter_context(announced_server(environment, address))
        asyncio.run(serve_until_stopped(Settings.of(environment, bind=address)))


def _with_port(bind: str) -> str:
    """The address with a free port in place of port 0, so that it can be announced."""
    host, port = host_and_port(bind, option="--bind")
    return bind if port else f"{bind.removesuffix('0')}{free_port(host)}"
