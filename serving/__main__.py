"""`python -m headrace.serving`: the feature server alone, in this process."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from ..contract.environment import Environment
from ..contract.errors import HeadraceError
from .settings import DEFAULT_BIND, Settings
from .transports.aio import AioServer

_LOG = logging.getLogger("headrace.serving")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        asyncio.run(serve(Settings.of(Environment.read(), bind=options.bind)))
    except HeadraceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


async def serve(settings: Settings) -> None:
    """Serve until the process is told to stop, then drain.

    The address, with the port that was chosen, is printed when calls are accepted.

    Raises:
        EnvironmentConflictError: The server cannot run here as asked.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = AioServer(settings)
    address = await server.start()
    sys.stdout.write(f"The feature server listens on {address}\n")
    sys.stdout.flush()
    await stopped.wait()
    _LOG.info("draining")
    await server.stop()


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
    return parser


if __name__ == "__main__":
    sys.exit(main())
