"""Reads of the online store for an event loop: what the loop has ready together leaves together."""

import asyncio
from math import inf
from time import monotonic

from .observing import Observer
from .reading import Reading, Result
from .settings import StoreSettings
from .store.engine import Engine


class Reader:
    """Runs readings by an engine that an event loop drives; belongs to that loop.

    Attributes:
        engine: What it drives; for its counters and its state.
    """

    def __init__(self, settings: StoreSettings, observer: Observer | None = None) -> None:
        """Connect when something is to be read.

        Raises:
            InvalidArgumentError: The URL is none that a store can have.
        """
        self.engine = Engine(settings, observer)
        self.store = self.engine.store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    async def run(self, reading: Reading[Result], deadline: float = inf) -> Result:
        """Run a reading to its end.

        Args:
            reading: What to run.
            deadline: In monotonic seconds (`time.monotonic`).

        Raises:
            StoreUnavailableError: The store cannot be reached, broke off or took too long.
            OverloadedError: Too much waits for the store already.
            DeadlineExceededError: The deadline passed.
        """
        loop = self._loop or self._attach()
        result: asyncio.Future[Result] = loop.create_future()

        def done(answer: Result | Exception) -> None:
            if result.done():
                return
            if isinstance(answer, Exception):
                result.set_exception(answer)
            else:
                result.set_result(answer)

        ticket = self.engine.submit(reading, done, deadline=deadline)
        if not self._is_due and not result.done():
            # Not at once: the loop may have more that is ready to be submitted.
            self._is_due = True
            loop.call_soon(self._poll)
        try:
            return await result
        except asyncio.CancelledError:
            ticket.cancel()
            raise

    async def close(self) -> None:
        """Close all connections; a reading that still runs ends in a `StoreUnavailableError`."""
        if self._loop is not None:
            self._loop.remove_reader(self.engine.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._loop, self._is_due = None, True
        self.engine.close()

    def _attach(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.engine.fileno(), self._poll)
        return self._loop

    def _poll(self) -> None:
        self._is_due = False
        if self._loop is None:
            return
        self.engine.poll(0)
        self._wake_at(self.engine.next_event())

    def _wake_at(self, instant: float) -> None:
        """Poll then at the latest; a timer that is due earlier stays, and finds nothing to do."""
        if instant >= self._timer_at or self._loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = instant
        self._timer = self._loop.call_later(max(0.0, instant - monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_at = None, inf
        self._poll()
