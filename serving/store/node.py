"""One server: its connection, its breaker, and the parts that wait for it.

Group commit without a timer: what arrives while reads are in flight leaves together.
"""

from collections.abc import Callable, Iterator, Sequence
from math import inf
from selectors import EVENT_WRITE
from time import monotonic
from typing import Any

from hiredis import ReplyError

from ...contract.cluster_slots import is_catalogue
from ...contract.errors import StoreUnavailableError
from .breaker import Breaker, State
from .cache import Cache
from .commands import Commands
from .connecting import Dial, Wire
from .link import Flight, Link
from .part import Part
from .queue import Queue
from .shared import Shared

_HEARTBEAT = 1.0  # seconds


class Node:
    """One server of the online store.

    A part waits for a connection that is being made, is sent again once when its connection breaks,
    and fails at once while the breaker is not closed.

    Attributes:
        name: Where it is, for messages.
        breaker: Opened by a read that takes too long, and when no connection can be made.
    """

    def __init__(
        self,
        name: str,
        dial: Dial,
        commands: Commands,
        shared: Shared,
        *,
        changed: Callable[[State], None] | None = None,
    ) -> None:
        """Connect when something is to be read; `changed` is told of the breaker's states."""
        self.name, self._dial, self._commands, self._shared = name, dial, commands, shared
        self.breaker = Breaker(self._changed)
        self._listener = changed
        self._timeout = shared.settings.timeout.total_seconds()
        self._patience = shared.settings.connect_timeout.total_seconds()
        self._queue = Queue(shared.waiting)
        self._link: Link | None = None
        self._is_connecting = self._is_closed = False
        self._connected_by = inf
        self._reason = ""
        self._heard_at = 0.0  # when anything came last

    @property
    def is_available(self) -> bool:
        """Whether it is asked at all."""
        return self.breaker.state == "closed"

    @property
    def cache(self) -> Cache | None:
        """What it has told over the connection that it has now."""
        return None if self._link is None else self._link.cache

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for it or is in flight."""
        return next(self.parts(), None) is None

    def recall(self, keys: Sequence[bytes]) -> list[bytes | None] | None:
        """The values that the cache has; `None` if there is none."""
        cache = self.cache
        return None if cache is None else cache.recall(keys)

    def spare(self, keys: int) -> None:
        """Take note that so many keys need not be sent."""
        self._shared.counters.cached += keys

    def offer(self, part: Part) -> None:
        """Take a part on, or let it fail at once."""
        if self.breaker.state != "closed":
            part.fail(self._unavailable(self._reason))
            return
        self._queue.append(part)

    def send_waiting(self) -> None:
        """Send what waits, as far as the reads in flight allow; connect first if need be."""
        if not self._queue:
            return
        link = self._link
        if link is None:
            self._connect()
            return
        while self._queue and len(link.flights) < self._shared.settings.flights:
            now = monotonic()
            parts, keys = self._queue.take(now, self._shared.settings.keys_at_once)
            if keys:
                self._send(link, parts, keys, now)
            if self._link is not link:
                return

    def ready(self, mask: int) -> None:
        """Take what the connection has for us, and give it what it can take."""
        link = self._link
        if link is None:
            return
        self._heard_at = monotonic()
        finished, problem = link.receive()
        for place, flight in enumerate(finished):
            if not self._arrived(flight):
                self._drop(link)
                untold = (*finished[place:], *link.flights)
                self._give_up(
                    "it answered something else than what it was asked",
                    [part for each in untold for part in each.parts],
                )
                return
        if problem is None and mask & EVENT_WRITE and self._link is link:
            try:
                link.written()
            except OSError as error:
                problem = error
        if problem is not None and self._link is link:
            self._lost(_reason(problem))

    def check(self, now: float) -> None:
        """Act on what did not happen in time."""
        if now >= self.breaker.probe_at and not self._is_connecting:
            self.breaker.probe()
            self._connect()
        if now >= self._connected_by:
            self._connected_by = inf
            self._give_up(f"no connection within {self._patience:g} s")
            self.breaker.probe()
        link = self._link
        if now >= self._heartbeat_at():
            self._ping(now)
        elif link is not None and now >= self._reply_by():
            self._shared.counters.timeouts += 1
            self._drop(link)
            reason = f"no reply within {self._timeout:g} s"
            self._give_up(reason, [part for flight in link.flights for part in flight.parts])

    def next_event(self) -> float:
        """When `check` has to be called at the latest, in monotonic seconds."""
        soonest = min(self.breaker.probe_at, self._connected_by)
        return min(soonest, self._heartbeat_at(), self._reply_by())

    def parts(self) -> Iterator[Part]:
        """Every part that waits or is in flight."""
        yield from self._queue
        if self._link is not None:
            for flight in self._link.flights:
                yield from flight.parts

    def close(self) -> None:
        """Close the connection; what waits or is in flight fails."""
        self._is_closed = True
        parts = list(self.parts())
        self._queue.clear()
        if self._link is not None:
            self._drop(self._link)
        for part in parts:
            part.fail(self._unavailable("the server is stopping"))

    def _changed(self, state: State) -> None:
        self._shared.observer.breaker(state)
        if self._listener is not None:
            self._listener(state)

    def _send(self, link: Link, parts: list[Part], keys: list[bytes], now: float) -> None:
        commands, expected = self._commands.packed(keys, parts)
        counters = self._shared.counters
        counters.batches += 1
        counters.parts += len(parts)
        counters.keys += len(keys)
        try:
            link.send(commands, Flight(parts, expected, now))
        except OSError as error:
            self._lost(_reason(error))

    def _reply_by(self) -> float:
        """When more must have come of a reply: a long one may take longer as a whole."""
        link = self._link
        if link is None or not link.flights:
            return inf
        return max(link.flights[0].sent_at, self._heard_at) + self._timeout

    def _heartbeat_at(self) -> float:
        """When a connection whose silence would be taken for "nothing has changed" is tried."""
        link = self._link
        if link is None or link.cache is None or link.flights:
            return inf
        return self._heard_at + _HEARTBEAT

    def _ping(self, now: float) -> None:
        assert self._link is not None  # noqa: S101  # else there is no heartbeat
        try:
            self._link.send(b"*1\r\n$4\r\nPING\r\n", Flight((), 1, now))
        except OSError as error:
            self._lost(_reason(error))

    def _fill(self, flight: Flight, values: Sequence[Any]) -> None:
        cache, beaten = self.cache, flight.beaten
        if cache is None or beaten is None:
            return
        keys = (key for part in flight.parts for key in part.keys)
        for key, value in zip(keys, values, strict=True):
            if isinstance(value, bytes) and key not in beaten and not is_catalogue(key):
                cache.fill(key, value)

    def _arrived(self, flight: Flight) -> bool:
        """Hand values over; whether they are what was asked for, and the next ones may be, too."""
        if not flight.parts:
            return True
        values = self._commands.values(flight.replies, flight.parts)
        if isinstance(values, ReplyError):
            error = self._unavailable(str(values))
            for part in flight.parts:
                part.fail(error)
            return True
        if type(values) is not list or len(values) != sum(len(each.keys) for each in flight.parts):
            return False
        self._shared.observer.batch(len(values), len(flight.parts), monotonic() - flight.sent_at)
        self._fill(flight, values)
        at = 0
        for part in flight.parts:
            until = at + len(part.keys)
            part.receive(values[at:until])
            at = until
        return True

    def _connect(self) -> None:
        if self._is_connecting or self._is_closed:
            return
        self._is_connecting = True
        if self.breaker.state == "closed":
            self._connected_by = monotonic() + self._patience
        self._shared.background.start(self._dial, self._connected)

    def _connected(self, result: Wire | Exception) -> None:
        self._is_connecting, self._connected_by = False, inf
        if isinstance(result, Exception):
            self._give_up(_reason(result))
        elif self._is_closed:
            result.close()
        else:
            self._shared.counters.connects += 1
            limit = self._shared.settings.cache_bytes
            cache = Cache(limit) if limit else None
            self._link = Link(result, self._shared.selector, self, cache)
            self._heard_at = monotonic()
            self.breaker.close()
            self.send_waiting()

    def _lost(self, reason: str) -> None:
        """The connection broke. Idle, it is made again when it is needed."""
        link = self._link
        assert link is not None  # noqa: S101  # whoever calls this has just used it
        self._drop(link)
        parts = [part for flight in link.flights for part in flight.parts if not part.is_over]
        if not parts:
            return
        self._shared.counters.losses += 1
        if any(part.is_retried for part in parts):
            self._give_up(reason, parts)
            return
        self._shared.counters.retried += len(parts)
        for part in parts:
            part.is_retried = True
        self._queue.put_back(parts)
        self._connect()

    def _drop(self, link: Link) -> None:
        self._link = None
        link.close()

    def _give_up(self, reason: str, parts: Sequence[Part] = ()) -> None:
        """Open the breaker; these parts, and all that wait, fail."""
        self._reason = reason
        self.breaker.open(monotonic())
        error = self._unavailable(reason)
        for part in (*parts, *self._queue.clear()):
            part.fail(error)

    def _unavailable(self, reason: str) -> StoreUnavailableError:
        return StoreUnavailableError(store=self.name, reason=reason)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
