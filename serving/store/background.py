"""What may block is done in short-lived threads; what comes of it is taken up by the engine's own.

The thread that drives an engine never waits for a server: names are resolved, connections made and
probed elsewhere.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar, runtime_checkable


@runtime_checkable
class Closable(Protocol):
    """What must be closed by somebody, even when nobody wants it any more."""

    def close(self) -> None:
        """Give it back."""


_Made = TypeVar("_Made")


class Background:
    """Starts threads and takes up what they made."""

    def __init__(self) -> None:
        """Open the pair of sockets by which a thread wakes the engine's."""
        self._receiver, self._sender = socket.socketpair()
        self._receiver.settimeout(0)
        self._sender.settimeout(0)
        self._lock = threading.Lock()
        # What was made, and what hands it over.
        self._finished: deque[tuple[object, Callable[[], None]]] = deque()
        self._is_closed = False

    def fileno(self) -> int:
        """Readable when something was finished."""
        return self._receiver.fileno()

    def start(self, make: Callable[[], _Made], then: Callable[[_Made | Exception], None]) -> None:
        """Make something in a thread of its own; `then` is called by `take_up`, or never."""

        def run() -> None:
            result: _Made | Exception
            try:
                result = make()
            except Exception as error:  # noqa: BLE001  # the edge of a thread: whoever waits is told
                result = error
            self._finish(result, then)

        threading.Thread(target=run, name="headrace-store", daemon=True).start()

    def take_up(self) -> None:
        """Hand over what was finished meanwhile."""
        with suppress(BlockingIOError):
            self._receiver.recv(4096)
        while self._finished:
            self._finished.popleft()[1]()

    def close(self) -> None:
        """Take nothing up any more: what waits for it is closed, what is made yet by its thread."""
        with self._lock:
            self._is_closed = True
            self._receiver.close()
            self._sender.close()
        for made, _ in self._finished:
            _give_back(made)
        self._finished.clear()

    def _finish(self, result: _Made | Exception, then: Callable[[_Made | Exception], None]) -> None:
        with self._lock:
            if not self._is_closed:
                self._finished.append((result, lambda: then(result)))
                with suppress(BlockingIOError):  # a full pair wakes just as well
                    self._sender.send(b"\0")
                return
        _give_back(result)


def _give_back(made: object) -> None:
    if isinstance(made, Closable):
        made.close()
