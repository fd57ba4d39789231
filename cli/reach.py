"""The feature server that answers for a home: found, or run for as long as it is needed."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ..contract.environment import Environment
from ..contract.errors import InvalidArgumentError, ServerError
from .addresses import UNIX, host_and_port
from .children import Children
from .home import server_addresses
from .options import BIND
from .services import start_feature_server


@contextmanager
def reached_server(environment: Environment, asked: str | None) -> Iterator[str]:
    """The address of a feature server.

    That is the one asked for, else the one that runs on this home. Where none runs but features
    were published, one is started for as long as the block lasts. Elsewhere: the usual address.

    Raises:
        InvalidArgumentError: What was asked for is no address; or nothing was published from this
            home, and no server is there.
        ServerError: In the block, by whoever asks it: where nothing listens, with what to do.
        StoreUnavailableError: The embedded Valkey does not start.
        ServiceFailedError: A feature server does not start.
    """
    if asked is not None and not asked.startswith(UNIX):
        host_and_port(asked, option="--server")
    announced = asked or listening_server(environment)
    if announced is not None:
        remedy = "start one with `headrace serve`, or leave --server out"
        with _explained(announced, remedy if asked else None):
            yield announced
    elif environment.redis is None and not (environment.home / "valkey").exists():
        if not listens(BIND):
            raise InvalidArgumentError(
                argument="HEADRACE_HOME",
                problem=f"nothing was published from {environment.home}, and nothing answers at"
                f" {BIND}",
                remedy="set it to the home that is meant, or name the feature server with --server"
                " (`headrace demo` makes a home to look at)",
            )
        with _explained(BIND, "start one with `headrace serve`"):
            yield BIND
    else:
        with _own_server(environment) as address:
            yield address


def listening_server(environment: Environment) -> str | None:
    """The newest feature server of this home that accepts connections."""
    return next((address for address in server_addresses(environment) if listens(address)), None)


def listens(address: str) -> bool:
    """Whether anything accepts connections at `HOST:PORT` or `unix:/PATH`."""
    if address.startswith(UNIX):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(address.removeprefix(UNIX))
            return True
        return False
    with suppress(OSError), socket.create_connection(host_and_port(address, option="--server"), 1):
        return True
    return False


@contextmanager
def _explained(address: str, remedy: str | None) -> Iterator[None]:
    """Say what to do when a server did not answer since there is none."""
    try:
        yield
    except ServerError as error:
        if remedy is None or listens(address):
            raise
        raise ServerError(
            server=error.server, code=error.code, reason=error.reason, remedy=remedy
        ) from error


@contextmanager
def _own_server(environment: Environment) -> Iterator[str]:
    from ..resources.online.local_valkey import LocalValkey

    with (
        TemporaryDirectory(prefix="headrace-") as logs,
        LocalValkey(environment),
        Children(Path(logs)) as children,
    ):
        # Over HTTP another one may serve already, where the environment says.
        over_http = ("--rest", "", "--metrics", "")
        yield start_feature_server(children, "127.0.0.1:0", *over_http)
