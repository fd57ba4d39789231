"""The streaming methods of the lean transport: features, health's watch, reflection."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc

from ...contract.errors import HeadraceError
from ..handler import Handler
from ..health import Health, asked_service
from ..status_codes import status_of
from ..streaming import answer_reply, error_reply, legible_id, read_message
from .lean_calls import Shared
from .lean_loop import Accepted
from .lean_streams import Stream
from .methods import DRAINING
from .reflection import Reflection

if TYPE_CHECKING:
    from ..store.ticket import Ticket
    from ..tracing import CallSpan

_METHOD = "StreamOnlineFeatures"


class FeatureStream:
    """One `StreamOnlineFeatures` call: requests are read for together, replies come as they may."""

    def __init__(
        self,
        shared: Shared,
        accepted: Accepted,
        *,
        handler: Handler,
        admit: Callable[[], None],
        closed: Callable[["FeatureStream"], None],
    ) -> None:
        """Begin to read.

        Args:
            shared: What the server's calls share.
            accepted: The call.
            handler: What answers.
            admit: Raises the error that a request over its caller's rate is answered with.
            closed: Told, once, when nothing more will be read or answered.
        """
        self._shared, self._handler = shared, handler
        self._admit, self._closed = admit, closed
        self._tickets: dict[int, Ticket[bytes] | None] = {}
        self._spans: dict[int, CallSpan | None] = {}
        self._deadline, self._metadata = accepted.deadline, accepted.metadata
        self._begun = 0
        self._is_ending: tuple[grpc.StatusCode, str] | None = None
        self._stream = Stream(shared, accepted, received=self._received, closed=self._cancelled)

    def drain(self) -> None:
        """Answer what was read, then end."""
        self._end(grpc.StatusCode.UNAVAILABLE, DRAINING)

    def _received(self, raw: bytes | None) -> None:
        if raw is None:
            self._end(grpc.StatusCode.OK, "")
        elif self._is_ending is None:
            self._stream.owed += 1
            self._begin(raw)

    def _begin(self, raw: bytes) -> None:
        started, tracing = time.monotonic(), self._shared.tracing
        number = self._begun = self._begun + 1
        if tracing is not None:
            self._spans[number] = tracing.began(_METHOD, self._metadata)
        try:
            message = read_message(raw)
            self._admit()
        except HeadraceError as error:
            self._reply(number, legible_id(raw), started, error)
            return
        self._tickets[number] = None

        def answered(result: bytes | Exception) -> None:
            self._shared.readings -= 1
            del self._tickets[number]
            self._reply(number, message.id, started, result)

        self._shared.readings += 1
        ticket = self._shared.engine.submit(
            self._handler.answer(message.request), answered, deadline=self._deadline
        )
        if number in self._tickets:
            self._tickets[number] = ticket

    def _reply(
        self, number: int, request_id: int, started: float, result: bytes | Exception
    ) -> None:
        self._stream.owed -= 1
        if isinstance(result, bytes):
            status, message = "OK", answer_reply(request_id, result)
        else:
            code, text = status_of(result)
            status, message = code.name, error_reply(request_id, code.value[0], text)
        seconds = time.monotonic() - started
        self._shared.observer.answered(_METHOD, status, seconds)
        span = self._spans.pop(number, None)
        if span is not None:
            span.ended(status)
        self._stream.write(message)
        self._stream.read()
        self._end_if_done()

    def _end(self, code: grpc.StatusCode, text: str) -> None:
        if self._is_ending is None:
            self._is_ending = code, text
            self._end_if_done()

    def _end_if_done(self) -> None:
        if self._is_ending is not None and not self._stream.owed and not self._stream.is_over:
            self._stream.end(*self._is_ending)
            self._closed(self)

    def _cancelled(self) -> None:
        for ticket in self._tickets.values():
            if ticket is not None:
                ticket.cancel()
        self._shared.readings -= len(self._tickets)
        self._tickets.clear()
        for span in self._spans.values():
            if span is not None:
                span.ended(grpc.StatusCode.CANCELLED.name)
        self._spans.clear()
        self._closed(self)


class Watch:
    """One `Health.Watch` call: told the newest status; a slow watcher misses those between."""

    def __init__(
        self,
        shared: Shared,
        accepted: Accepted,
        health: Health,
        closed: Callable[["Watch"], None],
    ) -> None:
        """Begin to read; `closed` is told, once, when nothing more will be said."""
        self._health, self._closed = health, closed
        self._service = ""
        self._told = b""
        self._stream = Stream(shared, accepted, received=self._received, closed=self._forget)

    def _received(self, raw: bytes | None) -> None:
        if raw is None:
            return  # a watcher has nothing more to say
        try:
            self._service = asked_service(raw)
        except HeadraceError as error:
            self._forget()
            self._stream.end(*status_of(error))
            return
        self._health.watchers.add(self._tell)
        self._tell()

    def _tell(self) -> None:
        status = self._health.status(self._service)
        if status != self._told:
            self._told = status
            self._stream.unsent.clear()
            self._stream.write(status)
        if self._health.is_closing:
            self._forget()
            self._stream.end()

    def _forget(self) -> None:
        self._health.watchers.discard(self._tell)
        self._closed(self)


class Reflecting:
    """One `ServerReflectionInfo` call."""

    def __init__(
        self,
        shared: Shared,
        accepted: Accepted,
        reflection: Reflection,
        closed: Callable[["Reflecting"], None],
    ) -> None:
        """Begin to read; `closed` is told, once, when nothing more will be said."""
        self._reflection, self._closed = reflection, closed
        self._stream = Stream(shared, accepted, received=self._received, closed=self._forget)

    def drain(self) -> None:
        """End the call."""
        self._end(grpc.StatusCode.UNAVAILABLE, DRAINING)

    def _received(self, raw: bytes | None) -> None:
        if raw is None:
            self._end(grpc.StatusCode.OK, "")
            return
        try:
            self._stream.write(self._reflection.answer(raw))
        except HeadraceError as error:
            self._end(*status_of(error))

    def _end(self, code: grpc.StatusCode, text: str) -> None:
        self._forget()
        self._stream.end(code, text)

    def _forget(self) -> None:
        self._closed(self)
