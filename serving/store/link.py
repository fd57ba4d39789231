"""One connection, driven without blocking: commands go out, replies come back in their order."""

import selectors
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from ssl import SSLSocket, SSLWantReadError, SSLWantWriteError
from typing import Any, Protocol

from hiredis import PushNotification, Reader

from .cache import Cache
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
        beaten: Keys that the server said to have changed while this was in flight; `None` for all.
    """

    __slots__ = ("beaten", "expected", "parts", "replies", "sent_at")

    def __init__(self, parts: Sequence[Part], expected: int, sent_at: float) -> None:
        """Nothing has come in yet."""
        self.parts, self.expected, self.sent_at = parts, expected, sent_at
        self.replies: list[Any] = []
        self.beaten: set[bytes] | None = set()


class Link:
    """A connection in a selector.

    Attributes:
        flights: What was sent and is not fully answered, in the order in which it was sent.
        cache: What the server has told over this connection.
    """

    __slots__ = (
        "_is_tls",
        "_owner",
        "_reader",
        "_selector",
        "_unsent",
        "_wire",
        "cache",
        "flights",
    )

    def __init__(
        self,
        wire: Wire,
        selector: selectors.BaseSelector,
        owner: Ready,
        cache: Cache | None = None,
    ) -> None:
        """Register a fresh connection; the owner is told when it is ready."""
        self.cache = cache
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
        finished: list[Flight] = []
        try:
            self._sort(finished)
        except Exception as error:  # noqa: BLE001  # whatever it is: what follows cannot be trusted
            problem = error
        return finished, problem

    def _sort(self, finished: list[Flight]) -> None:
        """Give each reply to its flight, and take off those that are fully answered."""
        gets, flight, missing = self._reader.gets, None, 0
        while (reply := gets()) is not False:
            if type(reply) is PushNotification:
                self._changed(reply, finished)
                continue
            if flight is None:
                flight = self.flights[0]
                missing = flight.expected - len(flight.replies)
            flight.replies.append(reply)
            missing -= 1
            if not missing:
                finished.append(self.flights.popleft())
                flight = None

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

    def _changed(self, told: PushNotification, finished: list[Flight]) -> None:
        """Forget keys, and keep nothing of them that is on its way or was not handed over yet."""
        if self.cache is None or told[0] != b"invalidate":
            return
        keys = told[1]
        if keys is None:
            self.cache.clear()
        else:
            self.cache.drop(keys)
        for flight in (*finished, *self.flights):
            if keys is None:
                flight.beaten = None
            elif flight.beaten is not None:
                flight.beaten.update(keys)

    def _watch(self, events: int) -> None:
        self._selector.modify(self._wire.socket, events, self._owner)
