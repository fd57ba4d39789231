"""`python -m headrace.serving`: the feature server alone, in this process."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..contract.errors import HeadraceError
from .configuration import configure
from .flags import FLAGS
from .lifeline import follow, say_ready
from .logs import begin_logging
from .operation import Operation
from .settings import Settings
from .transports.choice import chosen_transport
from .workers import supervise, worker_settings

_LOG = logging.getLogger("headrace.serving")
_ENDINGS = (signal.SIGTERM, signal.SIGINT)


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
        if options.worker is not None:
            settings = worker_settings(configuration.settings, options.worker)
            serve_here(settings, follow(options.lifeline, settings.drain))
        else:
            serve(configuration.settings, flags, options.config)
    except HeadraceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def serve(settings: Settings, flags: Mapping[str, str | None], file: Path | None) -> None:
    """Serve until the process is told to stop, then drain; for the main thread.

    The addresses, with the ports that were chosen, are printed when calls are accepted.

    Args:
        settings: What is in force.
        flags: What was given on the command line, by the name of the setting, for workers.
        file: The file of settings that was named, for workers.

    Raises:
        EnvironmentConflictError: The server cannot run here as asked.
        InvalidArgumentError: It cannot be set up as asked.
    """
    if settings.workers > 1:
        supervise(settings, flags, file)
    else:
        serve_here(settings, None)


def serve_here(settings: Settings, lifeline: socket.socket | None) -> None:
    """Serve by this process; a worker's supervisor is told through the lifeline."""
    if chosen_transport(settings.transport) == "lean":
        _serve_lean(settings, lifeline)
    else:
        asyncio.run(_serve_aio(settings, lifeline))


def _serve_lean(settings: Settings, lifeline: socket.socket | None) -> None:
    from .transports.lean import LeanServer  # noqa: PLC0415  # only where its self-test has passed

    operation = Operation(settings, "lean")
    server = LeanServer(settings, operation.observer, operation.tracing)

    def stop(*_: object) -> None:
        server.stop()
        operation.drain()

    for number in _ENDINGS:
        signal.signal(number, stop)
    with operation.running(server) as others:
        address = server.start()
        # What is there now stays: a full collection would look through all of it, and calls wait.
        gc.collect()
        gc.freeze()
        _announce(address, others, lifeline)
        server.run()


async def _serve_aio(settings: Settings, lifeline: socket.socket | None) -> None:
    # Here, and not above: what it needs of asyncio costs a lean server memory.
    from .transports.aio import AioServer  # noqa: PLC0415

    stopped = asyncio.Event()
    for number in _ENDINGS:
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    operation = Operation(settings, "aio")
    server = AioServer(settings, operation.observer, operation.tracing)
    with operation.running(server) as others:
        _announce(await server.start(), others, lifeline)
        await stopped.wait()
        _LOG.info("draining")
        operation.drain()
        await server.stop()


def _announce(address: str, others: Mapping[str, str], lifeline: socket.socket | None) -> None:
    if lifeline is not None:
        say_ready(lifeline)  # and the supervisor says the rest
        return
    sys.stdout.write(f"The feature server listens on {address}\n")
    sys.stdout.writelines(f"{what} at {where}\n" for what, where in others.items())
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m headrace.serving",
        description="Serve online features over gRPC from what the online store holds.",
        epilog="HEADRACE_HOME, _NAMESPACE, _REDIS and _CLOCK say what is served. Every setting that"
        " --print-config shows has a variable, such as HEADRACE_SERVE_LIMITS_CALLS.",
    )
    for name, flag in FLAGS.items():
        default = "" if flag.default is None else f" (default: {flag.default})"
        help_text = f"{flag.help}{default}"
        parser.add_argument(flag.written, dest=name, metavar=flag.metavar, help=help_text)
    for name in ("--worker", "--lifeline"):  # what a supervisor starts its workers with
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    parser.add_argument(
        "--print-config", action="store_true", help="print every setting and its origin, and end"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
