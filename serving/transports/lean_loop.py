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
        deadline: In monotonic seconds; infinite when the client set none.
        metadata: Pairs of the name and a text, or bytes for names that end in `-bin`.
    """

    call: Any
    method: bytes
    deadline: float
    metadata: Sequence[tuple[str, str | bytes]]


class LeanLoop:
    """Accepts calls and hands every event to the call that it belongs to.

    Attributes:
        open_calls: Accepted and not ended.
        is_closed: No batch may be started any more.
        now: When the events that are being handled were there, in monotonic seconds.
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
        self._look_at_clocks()

    def _look_at_clocks(self) -> None:
        """Once for many events: to ask the clock takes as long as much that a call needs."""
        self.now = time.monotonic()
        self._epoch = time.time() - self.now  # moves when somebody sets the clock

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
        return min(_IDLE_SECONDS, max(0.0, self._timers[0][0] - self.now))

    def _handle_events(self, patience: float) -> bool:
        """Wait for an event, and handle what there is; whether there was any."""
        poll, until = self.queue.poll, time.time() + patience if patience else 0.0
        for place in range(_EVENTS_AT_ONCE):
            event = poll(until)
            if not place:
                self._look_at_clocks()
                until = 0.0
            tag = event.tag
            if tag is None:  # nothing was there, or nothing will be any more
                return place > 0
            try:
                if tag is _ENDED:
                    self.open_calls -= 1
                elif tag is _REQUESTED:
                    self._accept(event)
                elif tag is _SHUT_DOWN:
                    self._is_shut_down = True
                else:
                    tag(event)
            except Exception:  # noqa: BLE001  # the edge of a call: the others must go on
                _LOG.exception("an event of a call could not be handled")
        return True

    def _accept(self, event: Any) -> None:  # noqa: ANN401  # as above
        self._requested -= 1
        if not event.success:  # it was asked for, and the server shuts down
            return
        self.open_calls += 1
        details = event.call_details
        deadline = details.deadline
        deadline = inf if deadline > _NEVER else deadline - self._epoch
        self._accepted(Accepted(event.call, details.method, deadline, event.invocation_metadata))

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
        now = self.now
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
            self._handle_events(_IDLE_SECONDS)
        self.is_closed = True
        self.queue.shutdown()
        while self._handle_events(_LAST_EVENTS_SECONDS):
            pass


def _wait_in_the_queue() -> bool:
    return False
