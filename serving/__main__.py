"""`python -m headrace.serving`: the feature server alone, in this process."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from ..contract.environment import Environment
from ..contract.errors import HeadraceError
from .settings import DEFAULT_BIND, Settings
from .tls import tls_settings
from .transports.choice import TRANSPORTS, chosen_transport

_LOG = logging.getLogger("headrace.serving")
_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = Settings.of(Environment.read(), bind=options.bind)
        tls = tls_settings(options.tls_cert, options.tls_key, options.tls_client_ca)
        serve(replace(settings, tls=tls), options.transport)
    except HeadraceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def serve(settings: Settings, transport: str = "auto") -> None:
    """Serve until the process is told to stop, then drain; for the main thread.

    The address, with the port that was chosen, is printed when calls are accepted.

    Raises:
        EnvironmentConflictError: The server cannot run here as asked.
        InvalidArgumentError: It cannot be set up as asked.
    """
    if chosen_transport(transport) == "lean":
        _serve_lean(settings)
    else:
        asyncio.run(_serve_aio(settings))


def _serve_lean(settings: Settings) -> None:
    from .transports.lean import LeanServer  # noqa: PLC0415  # only where its self-test has passed

    server = LeanServer(settings)
    for number in _ENDINGS:
        signal.signal(number, lambda *_: server.stop())
    _announce(server.start())
    server.run()


async def _serve_aio(settings: Settings) -> None:
    # Here, and not above: what it needs of asyncio costs a lean server memory.
    from .transports.aio import AioServer  # noqa: PLC0415

    stopped = asyncio.Event()
    for number in _ENDINGS:
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = AioServer(settings)
    _announce(await server.start())
    await stopped.wait()
    _LOG.info("draining")
    await server.stop()


def _announce(address: str) -> None:
    sys.stdout.write(f"The feature server listens on {address}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m headrace.serving",
        description="Serve online features over gRPC from what the online store holds.",
        epilog="HEADRACE_HOME, _NAMESPACE, _REDIS and _CLOCK say what is served.",
    )
    parser.add_argument(
        "--bind",
        default=DEFAULT_BIND,
        metavar="HOST:PORT",
        help="where to listen; port 0 takes a free one, unix:/path a socket (default: %(default)s)",
    )
    parser.add_argument(
        "--transport",
        default="auto",
        choices=TRANSPORTS,
        help="lean is fast and needs this grpcio's private parts, aio its public ones alone;"
        " auto takes lean where it works (default: %(default)s)",
    )
    for name, help_text in (
        ("cert", "a PEM file: the server's certificate chain; without it, plaintext is spoken"),
        ("key", "a PEM file: the certificate's private key"),
        ("client-ca", "a PEM file: who vouches for callers, which then need a certificate"),
    ):
        variable = f"HEADRACE_TLS_{name.upper().replace('-', '_')}"
        parser.add_argument(
            f"--tls-{name}",
            default=os.environ.get(variable),
            metavar="FILE",
            help=f"{help_text} ({variable})",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
