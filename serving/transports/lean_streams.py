"""Streaming calls of the lean transport: one write and one read under way at most, both bounded."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc

from .completion_queue import (
    receive_close,
    receive_message,
    send_first_message,
    send_message,
    send_status,
)
from .lean_calls import Shared
from .lean_loop import Accepted

UNSENT_AT_MOST = 16


class Stream:
    """One streaming call.

    grpcio does not protect a call from two writes at once or from a write after its status: the
    guards here do.

    Attributes:
        unsent: Messages that wait for the one before; a slow reader is read from no more while
            there are too many.
        owed: Messages that were received and will still be answered.
        is_over: Nothing may be written any more: a status is on its way, or the client is gone.
    """

    def __init__(
        self,
        shared: Shared,
        accepted: Accepted,
        *,
        received: Callable[[bytes | None], None],
        closed: Callable[[], None],
    ) -> None:
        """Begin to read.

        Args:
            shared: What the server's calls share.
            accepted: The call.
            received: Told of every message, then of `None` when the client has closed its side.
            closed: Told, once, when the client cancelled or is gone.
        """
        self._shared, self._call = shared, accepted.call
        self._received, self._closed = received, closed
        self.unsent: deque[bytes] = deque()
        self.owed = 0
        self.is_over = False
        self._is_reading = self._is_sending = self._is_half_closed = False
        self._is_first = True
        self._status: tuple[grpc.StatusCode, str] = grpc.StatusCode.OK, ""
        self._open_parts = 2  # the close and the status, whichever is later
        shared.waiting[self] = time.monotonic()
        shared.loop.start(self._call, receive_close(), self._on_close)
        self.read()

    def read(self) -> None:
        """Read on, unless too much is unsent or owed; called when something was answered."""
        if self._is_reading or self._is_half_closed or self.is_over:
            return
        if len(self.unsent) + self.owed < UNSENT_AT_MOST:
            self._is_reading = True
            self._shared.loop.start(self._call, receive_message(), self._on_message)

    def write(self, message: bytes) -> None:
        """Send a message after those before it; nothing once the call is over."""
        if self.is_over:
            return
        self.unsent.append(message)
        if not self._is_sending:
            self._send()

    def end(self, code: grpc.StatusCode = grpc.StatusCode.OK, text: str = "") -> None:
        """End the call with this status once everything written is sent; the first end counts."""
        if self.is_over:
            return
        self.is_over = True
        self._status = code, text
        self._shared.waiting.pop(self, None)
        if not self._is_sending:
            self._send_status()

    def give_up(self, seconds: float) -> None:
        """End the call: its first message did not come."""
        self._shared.abandoned.add(self._call)
        self._closed()
        self.end(grpc.StatusCode.DEADLINE_EXCEEDED, f"no request message came within {seconds:g} s")

    def _on_message(self, event: Any) -> None:  # noqa: ANN401  # untyped in grpcio
        self._is_reading = False
        self._shared.waiting.pop(self, None)
        raw = event.batch_operations[0].message()
        self._is_half_closed = raw is None
        if self.is_over:
            return
        self._received(raw)
        self.read()

    def _send(self) -> None:
        self._is_sending = True
        message = self.unsent.popleft()
        batch = send_first_message(message) if self._is_first else send_message(message)
        self._is_first = False
        self._shared.loop.start(self._call, batch, self._on_sent)

    def _on_sent(self, _event: object) -> None:
        self._is_sending = False
        if self.unsent:
            self._send()
        elif self.is_over:
            self._send_status()
        self.read()

    def _send_status(self) -> None:
        code, text = self._status
        batch = send_status(code.value[0], text.encode(), is_first=self._is_first)
        self._shared.loop.start(self._call, batch, self._end_part)

    def _on_close(self, event: Any) -> None:  # noqa: ANN401  # as above
        if event.batch_operations[0].cancelled():
            self.unsent.clear()
            if self in self._shared.waiting:
                self._shared.abandoned.add(self._call)
            if not self.is_over:
                self._closed()
                self.end(grpc.StatusCode.CANCELLED, "the client cancelled the call")
        self._end_part()

    def _end_part(self, _event: object = None) -> None:
        self._open_parts -= 1
        if not self._open_parts:
            self._shared.loop.ended()
