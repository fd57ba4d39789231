"""`python -m headrace.serving`: the feature server alone, in this process."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..contract.errors import HeadraceError
from .configuration import FLAGS, configure
from .logs import begin_logging
from .operation import Operation
from .settings import DEFAULT_BIND, Settings
from .transports.aio import AioServer

_LOG = logging.getLogger("headrace.serving")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    options = _parser().parse_args(arguments)
    flags = {name: getattr(options, name) for name in FLAGS}
    try:
        configuration = configure(flags, os.environ, options.config)
        if options.print_config:
            sys.stdout.write(configuration.printed())
            return 0
        begin_logging(configuration.settings.log)
        asyncio.run(serve(configuration.settings))
    except HeadraceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


async def serve(settings: Settings) -> None:
    """Serve until the process is told to stop, then drain.

    The addresses, with the ports that were chosen, are printed when calls are accepted.

    Raises:
        EnvironmentConflictError: The server cannot run here as asked.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    operation = Operation(settings, "aio")
    server = AioServer(settings, operation.observer, operation.tracing)
    try:
        address = await server.start()
        others = operation.start(server.handler)
        sys.stdout.write(f"The feature server listens on {address}\n")
        sys.stdout.writelines(f"{what} on http://{where}\n" for what, where in others.items())
        sys.stdout.flush()
        await stopped.wait()
        _LOG.info("draining")
    finally:
        await asyncio.gather(server.stop(), asyncio.to_thread(operation.stop))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m headrace.serving",
        description="Serve online features over gRPC from what the online store holds.",
        epilog="HEADRACE_HOME, _NAMESPACE, _REDIS and _CLOCK say what is served; every setting that"
        " --print-config shows has a variable HEADRACE_SERVE_...",
    )
    helps = {
        "bind": f"where to listen; port 0 takes a free one, unix:/path a socket ({DEFAULT_BIND})",
        "rest.bind": "where to answer over HTTP and JSON, too",
        "metrics.bind": "where to show metrics and health over HTTP, without features",
    }
    for name, flag in FLAGS.items():
        parser.add_argument(flag, dest=name, metavar="HOST:PORT", help=helps[name])
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    parser.add_argument(
        "--print-config", action="store_true", help="print every setting and its origin, and end"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
