"""Where a transport may listen; gRPC itself does not say what is wrong with an address."""

import errno
import socket

from ...contract.errors import InvalidArgumentError, PortTakenError

_PORTS = 2**16


def check_address(bind: str, option: str = "--bind") -> None:
    """Try `host:port` before gRPC does, which takes port 99999 for another one.

    Raises:
        PortTakenError: Something listens there.
        InvalidArgumentError: It cannot be listened on for another reason.
    """
    host, _, port = bind.rpartition(":")
    problem = "it has no port between 0 and 65535"
    if port.isdecimal() and int(port) < _PORTS:
        try:
            socket.create_server((host.strip("[]"), int(port))).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise taken(bind, option) from error
            problem = str(error)
        else:
            return
    raise InvalidArgumentError(
        argument=option,
        problem=f"{bind!r} cannot be listened on ({problem})",
        remedy="write it as host:port, such as 127.0.0.1:50051, or unix:/path",
    )


def taken(bind: str, option: str = "--bind") -> PortTakenError:
    """The error for an address that is in use."""
    return PortTakenError(address=bind, purpose="the feature server", option=option)
