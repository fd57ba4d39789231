"""What workers of one supervisor are started with: the same settings, one port."""

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from ..contract.errors import InvalidArgumentError
from .flags import FLAGS
from .settings import Settings
from .supervisor import Supervisor
from .transports.addresses import UNIX, check_address

_ADDRESSES = ("bind", "rest.bind")


def supervise(settings: Settings, flags: Mapping[str, str | None], file: Path | None) -> None:
    """Serve with as many workers as the settings ask for, until told to stop.

    Args:
        settings: What is in force.
        flags: What was given on the command line, by the name of the setting; workers get the same.
        file: The file of settings that was named.

    Raises:
        EnvironmentConflictError: A port is taken, or a worker cannot run as asked.
        InvalidArgumentError: An address cannot be shared, or listened on.
    """
    wanted = {"bind": settings.bind, "rest.bind": settings.rest.bind}
    with ExitStack() as stack:
        reserved = {
            name: stack.enter_context(_reserved(bind, FLAGS[name].written))
            for name, bind in wanted.items()
            if bind is not None
        }
        arguments = _arguments({**flags, **reserved, "workers": None}, file)

        def command(number: int, lifeline: int) -> Sequence[str]:
            own = ["--worker", str(number), "--lifeline", str(lifeline)]
            return [sys.executable, "-m", "headrace.serving", *arguments, *own]

        def serving() -> None:
            sys.stdout.write(f"The feature server listens on {reserved['bind']}\n")
            if "rest.bind" in reserved:
                scheme = "http" if settings.tls is None else "https"
                sys.stdout.write(f"REST at {scheme}://{reserved['rest.bind']}\n")
            sys.stdout.flush()

        Supervisor(command, settings.workers, settings.drain).run(serving)


def worker_settings(settings: Settings, number: int) -> Settings:
    """The settings of a worker: its supervisor has seen to the port, and it supervises nobody."""
    metrics = settings.metrics
    if metrics.bind is not None:
        host, _, port = metrics.bind.rpartition(":")
        if port.isdecimal() and int(port):
            metrics = replace(metrics, bind=f"{host}:{int(port) + number}")
    return replace(settings, shares_port=True, worker=number, workers=1, metrics=metrics)


def _arguments(flags: Mapping[str, str | None], file: Path | None) -> list[str]:
    arguments = [] if file is None else ["--config", str(file)]
    for name, value in flags.items():
        if value is not None:
            arguments += [FLAGS[name].written, value]
    return [*arguments, FLAGS["workers"].written, "1"]


@contextmanager
def _reserved(bind: str, option: str) -> Iterator[str]:
    """Keep an address for this process's workers, and take no connection; with its real port.

    A server of anybody else is refused, also while no worker listens; a worker is not, as it asks
    to share the port.
    """
    if bind.startswith(UNIX):
        raise InvalidArgumentError(
            argument=option,
            problem=f"workers cannot share {bind}",
            remedy="give host:port, or --workers 1",
        )
    check_address(bind, option)
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind((host.strip("[]"), int(port)))
        yield f"{host}:{reservation.getsockname()[1]}"
