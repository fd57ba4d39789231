"""One connection, driven without blocking: commands go out, replies come back in their order."""

import selectors
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from ssl import SSLSocket, SSLWantReadError, SSLWantWriteError
from typing import Any, Protocol

from hiredis import Reader

from .connecting import Wire
from .part import Part

_RECEIVED_AT_ONCE = 1 << 18
_WOULD_BLOCK = (BlockingIOError, SSLWantReadError, SSLWantWriteError)


class Ready(Protocol):
    """Who is told that a socket of its own can be read from or written to."""

    def ready(self, mask: int) -> None:
        """Do what can be done now without waiting."""


class Flight:
    """Commands that were sent together, and their replies.

    Attributes:
        parts: Whose keys they read, in order.
        replies: How far they have come in.
        expected: How many there will be.
        sent_at: In monotonic seconds.
    """

    __slots__ = ("expected", "parts", "replies", "sent_at")

    def __init__(self, parts: Sequence[Part], expected: int, sent_at: float) -> None:
        """Nothing has come in yet."""
        self.parts, self.expected, self.sent_at = parts, expected, sent_at
        self.replies: list[Any] = []


class Link:
    """A connection in a selector.

    Attributes:
        flights: What was sent and is not fully answered, in the order in which it was sent.
    """

    __slots__ = ("_is_tls", "_owner", "_reader", "_selector", "_unsent", "_wire", "flights")

    def __init__(self, wire: Wire, selector: selectors.BaseSelector, owner: Ready) -> None:
        """Register a fresh connection; the owner is told when it is ready."""
        self._wire, self._selector, self._owner = wire, selector, owner
        self._is_tls = isinstance(wire.socket, SSLSocket)
        self._reader = Reader()
        self._unsent = b""
        self.flights: deque[Flight] = deque()
        selector.register(wire.socket, selectors.EVENT_READ, owner)

    def send(self, commands: bytes, flight: Flight) -> None:
        """Send, or keep what the socket does not take until it is writable.

        Raises:
            OSError: The connection is lost.
        """
        self.flights.append(flight)
        if self._unsent:
            self._unsent += commands
            return
        self._unsent = commands
        self.send_rest()
        if self._unsent:
            self._watch(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def send_rest(self) -> None:
        """Send what was kept.

        Raises:
            OSError: The connection is lost.
        """
        if not self._unsent:
            return
        try:
            sent = self._wire.socket.send(self._unsent)
        except _WOULD_BLOCK:
            return
        self._unsent = self._unsent[sent:]

    def written(self) -> None:
        """Send what was kept, now that the socket is writable; then watch it no more for that.

        Raises:
            OSError: The connection is lost.
        """
        self.send_rest()
        if not self._unsent:
            self._watch(selectors.EVENT_READ)

    def receive(self) -> tuple[list[Flight], Exception | None]:
        """What is fully answered by now; and why nothing more will come, if so."""
        problem: Exception | None = None
        try:
            self._receive()
        except (OSError, EOFError) as error:
            problem = error
        finished = []
        try:
            while (reply := self._reader.gets()) is not False:
                flight = self.flights[0]
                flight.replies.append(reply)
                if len(flight.replies) == flight.expected:
                    finished.append(self.flights.popleft())
        except Exception as error:  # noqa: BLE001  # whatever it is: what follows cannot be trusted
            problem = error
        return finished, problem

    def close(self) -> None:
        """Close the connection: its unread replies are never read."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._wire.socket)
        self._wire.close()

    def _receive(self) -> None:
        while True:
            try:
                received = self._wire.socket.recv(_RECEIVED_AT_ONCE)
            except _WOULD_BLOCK:
                return
            if not received:
                reason = "the store closed the connection"
                raise EOFError(reason)
            self._reader.feed(received)
            # A TLS socket may hold decrypted bytes of which the selector does not know.
            if len(received) < _RECEIVED_AT_ONCE and not self._is_tls:
                return

    def _watch(self, events: int) -> None:
        self._selector.modify(self._wire.socket, events, self._owner)
