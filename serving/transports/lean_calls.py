"""Unary calls of the lean transport: a message in, a message or a status out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from ..observing import Observer
from ..reading import Reading
from ..status_codes import status_of
from ..store.engine import Engine
from .abandoned import AbandonedCalls
from .completion_queue import (
    receive_close,
    receive_message,
    send_answer,
    send_last_answer,
    send_status,
    with_close,
)
from .lean_loop import Accepted, LeanLoop

if TYPE_CHECKING:
    from ..store.ticket import Ticket
    from ..tracing import CallSpan, Tracing

Answer = Callable[[bytes], Reading[bytes]]

_UNWATCHED_SECONDS = 0.05


class Waiting(Protocol):
    """A call that waits for its first message."""

    def give_up(self, seconds: float) -> None:
        """End it: none came."""


@dataclass(slots=True)
class Shared:
    """What all calls of one server share.

    Attributes:
        waiting: Calls without their first message, and since when; the oldest first.
        unwatched: Calls that the store is read for, of which nobody would notice a cancellation.
        readings: Readings that are under way; while there are some, the store is waited for.
    """

    loop: LeanLoop
    engine: Engine
    observer: Observer
    abandoned: AbandonedCalls
    tracing: "Tracing | None" = None
    waiting: dict[Waiting, float] = field(default_factory=dict)
    unwatched: "dict[UnaryCall, float]" = field(default_factory=dict)
    readings: int = 0

    def sweep(self, message_wait_seconds: float) -> None:
        """Give up calls without a message, and watch those that take long for their cancellation.

        A call that is answered at once is never watched: that would cost every call an event.
        """
        now = time.monotonic()
        late = [call for call, since in self.waiting.items() if since < now - message_wait_seconds]
        for call in late:
            del self.waiting[call]
            call.give_up(message_wait_seconds)
        slow = [call for call, since in self.unwatched.items() if since < now - _UNWATCHED_SECONDS]
        for one in slow:
            del self.unwatched[one]
            one.watch()


class UnaryCall:
    """One call; itself the tag of the batch that receives its message."""

    __slots__ = (
        "_accepted",
        "_answer",
        "_is_over",
        "_is_watched",
        "_name",
        "_open_parts",
        "_shared",
        "_since",
        "_span",
        "_ticket",
    )

    def __init__(
        self, shared: Shared, accepted: Accepted, name: str | None, answer: Answer
    ) -> None:
        """Wait for the call's message; `refuse` is for calls that are not even listened to.

        Args:
            shared: What the server's calls share.
            accepted: The call.
            name: As the observer is told of it; `None` for one that is not counted.
            answer: What answers its message.
        """
        self._shared, self._accepted, self._name, self._answer = shared, accepted, name, answer
        self._is_over = self._is_watched = False
        self._open_parts = 1
        self._ticket: Ticket[bytes] | None = None
        self._span: CallSpan | None = None
        self._since = shared.loop.now
        shared.waiting[self] = self._since
        shared.loop.start(accepted.call, receive_message(), self)

    def __call__(self, event: Any) -> None:  # noqa: ANN401  # untyped in grpcio
        """The message came, or will not come any more."""
        shared = self._shared
        raw = event.batch_operations[0].message()
        shared.waiting.pop(self, None)
        if self._is_over:
            return
        if raw is None:  # cancelled, reset, over the size that grpcio takes, or closed without one
            shared.abandoned.add(self._accepted.call)
            self._fail(grpc.StatusCode.INVALID_ARGUMENT, "no request message came")
            return
        since = self._since = shared.loop.now
        if shared.tracing is not None and self._name is not None:
            self._span = shared.tracing.began(self._name, self._accepted.metadata)
        deadline = self._accepted.deadline
        if deadline <= since:
            self._fail(
                grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the call began"
            )
            return
        shared.readings += 1
        ticket = shared.engine.submit(self._answer(raw), self._answered, deadline=deadline)
        if not self._is_over:
            self._ticket = ticket
            shared.unwatched[self] = since

    def give_up(self, seconds: float) -> None:
        """End the call: its message did not come."""
        self._shared.abandoned.add(self._accepted.call)
        self._fail(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            f"the request message did not come within {seconds:g} s",
        )

    def watch(self) -> None:
        """Notice when the client cancels."""
        self._is_watched = True
        self._open_parts = 2
        self._shared.loop.start(self._accepted.call, receive_close(), self._closed)

    def _closed(self, event: Any) -> None:  # noqa: ANN401  # as above
        if event.batch_operations[0].cancelled() and not self._is_over:
            if self._ticket is not None:
                self._ticket.cancel()
                self._shared.readings -= 1
            self._fail(grpc.StatusCode.CANCELLED, "the client cancelled the call")
        self._end_part()

    def _answered(self, result: bytes | Exception) -> None:
        self._shared.readings -= 1
        self._shared.unwatched.pop(self, None)
        if not isinstance(result, bytes):
            self._fail(*status_of(result))
        elif self._is_watched:
            self._end(send_answer(result), "OK")
        else:
            self._end(send_last_answer(result), "OK")

    def _fail(self, code: grpc.StatusCode, text: str) -> None:
        batch = send_status(code.value[0], text.encode(), is_first=True)
        self._end(batch if self._is_watched else with_close(batch), code.name)

    def _end(self, batch: tuple[Any, ...], status: str) -> None:
        self._is_over = True
        # The ticket tells this call: without this, each call would wait for the garbage collector,
        # and grpcio keeps a stream's place until its call is gone.
        self._ticket = None
        if self._name is not None:
            self._shared.observer.answered(self._name, status, time.monotonic() - self._since)
        if self._span is not None:
            self._span.ended(status)
        loop, call = self._shared.loop, self._accepted.call
        if self._is_watched:
            loop.start(call, batch, self._end_part)
        else:
            loop.start_last(call, batch)

    def _end_part(self, _event: object = None) -> None:
        self._open_parts -= 1
        if not self._open_parts:
            self._shared.loop.ended()


def refuse(
    shared: Shared,
    accepted: Accepted,
    code: grpc.StatusCode,
    text: str,
    *,
    counted_as: str | None = None,
) -> None:
    """End a call without listening to it; the observer is told if it counts as one of a method."""
    if counted_as is not None:
        tracing = shared.tracing
        span = tracing.began(counted_as, accepted.metadata) if tracing is not None else None
        shared.observer.answered(counted_as, code.name, 0.0)
        if span is not None:
            span.ended(code.name)
    batch = send_status(code.value[0], text.encode(), is_first=True)
    shared.loop.start_last(accepted.call, with_close(batch))
