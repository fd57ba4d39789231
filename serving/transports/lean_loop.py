"""The loop of the lean transport: one thread, one completion queue, every call counted.

Two rules carry everything else. Each accepted call ends exactly once (`ended`), so that
`open_calls` is exact: draining, refusing and the leak tests hang on it. And no batch is started
once the queue is shut down, which would abort the process inside grpcio: `is_closed` says so.
"""

import heapq
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple

from .completion_queue import CompletionQueue, Server

_LOG = logging.getLogger("headrace.serving")

_REQUESTED, _ENDED, _SHUT_DOWN = object(), object(), object()
_IDLE_SECONDS = 0.05  # how late `stop` is seen by a loop that has nothing to do
_EVENTS_AT_ONCE = 256  # then the store has its turn
_LAST_EVENTS_SECONDS = 1.0
_NEVER = 1e11  # Unix time in seconds: some three thousand years ahead


class Accepted(NamedTuple):
    """A call whose headers have come.

    Attributes:
        call: grpcio's own.
        deadline: Unix time in seconds; some thousand years ahead when the client set none.
        metadata: Pairs of the name and a text, or bytes for names that end in `-bin`.
    """

    call: Any
    method: bytes
    deadline: float
    metadata: Sequence[tuple[str, str | bytes]]

    def monotonic_deadline(self) -> float:
        """The deadline as `time.monotonic()` counts; infinite for one that is years away."""
        if self.deadline > _NEVER:
            return inf
        return time.monotonic() + self.deadline - time.time()


class LeanLoop:
    """Accepts calls and hands every event to the call that it belongs to.

    Attributes:
        open_calls: Accepted and not ended.
        is_closed: No batch may be started any more.
        turn: Called between the events that were there and the next ones; true when it waited
            itself, or will have something to do at once, so that the queue is not to wait.
    """

    def __init__(
        self,
        options: Sequence[tuple[str, int]],
        accepted: Callable[[Accepted], None],
        *,
        requests: int,
        limit: int,
    ) -> None:
        """Prepare a loop.

        Args:
            options: grpcio's channel arguments.
            accepted: What begins a call; the call must be ended in the end.
            requests: How many calls grpcio may hand over before the loop asks for more.
            limit: Of open and asked-for calls together. At the limit no more are asked for, and
                grpcio refuses what it then holds back (`grpc.server.max_pending_requests`).
        """
        self.queue = CompletionQueue()
        self.server = Server(tuple(options), False)  # noqa: FBT003  # grpcio's: no xDS
        self.server.register_completion_queue(self.queue)
        self.open_calls = 0
        self.is_closed = self.is_draining = self._is_shut_down = False
        self.turn: Callable[[], bool] = _wait_in_the_queue
        self._accepted = accepted
        self._requests, self._limit = requests, limit
        self._requested = 0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._cancel_at: float | None = None

    def start(self, call: Any, batch: tuple[Any, ...], tag: object) -> None:  # noqa: ANN401  # untyped in grpcio
        """Start a batch; its event calls the tag."""
        if not self.is_closed:
            call.start_server_batch(batch, tag)

    def start_last(self, call: Any, batch: tuple[Any, ...]) -> None:  # noqa: ANN401  # as above
        """Start the batch whose event ends the call."""
        if not self.is_closed:
            call.start_server_batch(batch, _ENDED)

    def ended(self) -> None:
        """A call has ended."""
        self.open_calls -= 1

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call something from the loop, once."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), action))

    def drain(self, grace_seconds: float) -> None:
        """Accept nothing more, let open calls end, or cancel them, then return from `run`."""
        if self.is_draining:
            return
        self.is_draining = True
        self._cancel_at = time.monotonic() + grace_seconds
        self.server.shutdown(self.queue, _SHUT_DOWN)

    def run(self) -> None:
        """Serve until `drain` was called and every call has ended; by one thread, once."""
        self.server.start()
        self._request_more()
        while not self._is_shut_down:
            is_busy = self.turn()
            self._handle_events(0.0 if is_busy else self._patience())
            # Once for all events: there are more calls asked for than events handled at once.
            self._request_more()
            self._run_timers()
        self._finish()

    def _patience(self) -> float:
        """Seconds for which the queue may wait."""
        if not self._timers:
            return _IDLE_SECONDS
        return min(_IDLE_SECONDS, max(0.0, self._timers[0][0] - time.monotonic()))

    def _handle_events(self, patience: float) -> None:
        poll, handle = self.queue.poll, self._handle
        event = poll(time.time() + patience if patience else 0)
        for _ in range(_EVENTS_AT_ONCE):
            tag = event.tag
            if tag is None:  # nothing was there
                return
            if tag is _ENDED:
                self.open_calls -= 1
            else:
                handle(event, tag)
            event = poll(0)
        if event.tag is not None:
            handle(event, event.tag)

    def _handle(self, event: Any, tag: Any) -> None:  # noqa: ANN401  # as above
        if tag is _ENDED:
            self.ended()
        elif tag is _SHUT_DOWN:
            self._is_shut_down = True
        else:
            try:
                (self._accept if tag is _REQUESTED else tag)(event)
            except Exception:  # noqa: BLE001  # the edge of a call: the others must go on
                _LOG.exception("an event of a call could not be handled")

    def _accept(self, event: Any) -> None:  # noqa: ANN401  # as above
        self._requested -= 1
        if not event.success:  # it was asked for, and the server shuts down
            return
        self.open_calls += 1
        details = event.call_details
        self._accepted(
            Accepted(event.call, details.method, details.deadline, event.invocation_metadata)
        )

    def _request_more(self) -> None:
        if self.is_draining:
            return
        wanted = min(self._requests, self._limit - self.open_calls) - self._requested
        if wanted > 0:
            self._requested += wanted
            request_call, queue = self.server.request_call, self.queue
            for _ in range(wanted):
                request_call(queue, queue, _REQUESTED)

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        if self._cancel_at is not None and now > self._cancel_at:
            self._cancel_at = None
            self.server.cancel_all_calls()

    def _finish(self) -> None:
        """Handle the last events while batches may be started, then shut the queue down.

        The server is done with every call by now, but what it says of them may still be queued.
        """
        until = time.monotonic() + _LAST_EVENTS_SECONDS
        while self.open_calls and time.monotonic() < until:
            event = self.queue.poll(time.time() + _IDLE_SECONDS)
            if event.tag is not None:
                self._handle(event, event.tag)
        self.is_closed = True
        self.queue.shutdown()
        while True:
            event = self.queue.poll(time.time() + _LAST_EVENTS_SECONDS)
            if event.tag is None:
                return
            self._handle(event, event.tag)


def _wait_in_the_queue() -> bool:
    return False
