"""Where a transport may listen; gRPC itself does not say what is wrong with an address."""

import errno
import socket
from pathlib import Path

from ...contract.errors import InvalidArgumentError, PortTakenError

UNIX = "unix:"
"""How an address begins that is the path of a socket."""

_PORTS = 2**16
_PATIENCE_SECONDS = 1.0


def check_address(bind: str, option: str = "--bind") -> None:
    """Try an address before gRPC does.

    It takes port 99999 for another one, and the path of a socket away from who listens there.

    Raises:
        PortTakenError: Something listens there.
        InvalidArgumentError: It cannot be listened on for another reason.
    """
    if bind.startswith(UNIX):
        _check_path(bind, option)
        return
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
    raise _unusable(bind, option, problem)


def _check_path(bind: str, option: str) -> None:
    path = Path(bind.removeprefix(UNIX))
    if not path.parent.is_dir():
        raise _unusable(bind, option, f"there is no folder {path.parent}")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PATIENCE_SECONDS)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):  # nobody listens
            return
        except (BlockingIOError, TimeoutError):  # somebody does, and is busy
            pass
        except OSError as error:
            raise _unusable(bind, option, str(error)) from error
    raise taken(bind, option)


def _unusable(bind: str, option: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        argument=option,
        problem=f"{bind!r} cannot be listened on ({problem})",
        remedy="write it as host:port, such as 127.0.0.1:50051, or unix:/path",
    )


def taken(bind: str, option: str = "--bind") -> PortTakenError:
    """The error for an address that is in use."""
    return PortTakenError(address=bind, purpose="the feature server", option=option)
