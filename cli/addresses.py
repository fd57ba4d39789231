"""Addresses that commands listen on: read, and found to be taken before anything starts."""

import errno
import socket

from ..contract.errors import InvalidArgumentError, PortTakenError

UNIX = "unix:"
"""How an address begins that is a path; only the feature server has such."""

_MAX_PORT = 65535


def host_and_port(address: str, *, option: str) -> tuple[str, int]:
    """Take `HOST:PORT` apart (`[::1]:50051`, too).

    Raises:
        InvalidArgumentError: The text has another form.
    """
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > _MAX_PORT:
        raise InvalidArgumentError(
            argument=option,
            problem=f"{address!r} is no HOST:PORT",
            remedy="write it as 127.0.0.1:50051",
        )
    return host.strip("[]"), int(port)


def require_free_port(address: str, *, purpose: str, option: str) -> None:
    """See to it that nothing listens on an address, as far as one can know in advance.

    Raises:
        PortTakenError: Something does.
        InvalidArgumentError: The address cannot be listened on at all.
    """
    host, port = host_and_port(address, option=option)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port that lingers after its last connection is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise InvalidArgumentError(
                argument=option,
                problem=f"{address} needs privileges",
                remedy="choose a port above 1023",
            ) from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(address=address, purpose=purpose, option=option) from error
            raise InvalidArgumentError(
                argument=option,
                problem=f"this machine has no address {host!r}",
                remedy="use 127.0.0.1, or an address of this machine",
            ) from error


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
