"""What ties a worker to its supervisor: a socket that both hold one end of.

The worker says through it that it serves. When either end closes, whoever held it is gone, however
that happened: a killed supervisor leaves no orphans, and a killed worker is noticed at once.
"""

import logging
import os
import signal
import socket
import threading
import time
from datetime import timedelta

READY = b"r"

_LOG = logging.getLogger("headrace.serving")
_PATIENCE_SECONDS = 5.0  # beyond a drain


def follow(number: int, grace: timedelta) -> socket.socket:
    """Drain this process when its supervisor is gone, and end it when that takes too long.

    Args:
        number: The file descriptor of the worker's end, which was inherited.
        grace: How long a drain may take.
    """
    lifeline = socket.socket(fileno=number)
    threading.Thread(
        target=_wait, args=(lifeline, grace.total_seconds()), name="lifeline", daemon=True
    ).start()
    return lifeline


def say_ready(lifeline: socket.socket) -> None:
    """Tell the supervisor that calls are accepted."""
    lifeline.sendall(READY)


def _wait(lifeline: socket.socket, grace_seconds: float) -> None:
    while lifeline.recv(1):
        pass
    _LOG.warning("the supervisor is gone: draining")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds + _PATIENCE_SECONDS)
    # Whatever the main thread hangs in, nobody else would ever end it.
    os._exit(1)
