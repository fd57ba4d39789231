"""All reads of the online store that one thread makes, with no loop of its own and no waiting.

Whoever drives it calls `poll` when `fileno` is readable, when `next_event` has come, and after it
has submitted what there was: only then are keys sent, so that what came together leaves together.
"""

import selectors
from math import inf
from time import monotonic
from typing import Any

from ...contract.errors import HeadraceError, OverloadedError
from ...contract.store_address import cluster_address, shown_address
from ..observing import UNOBSERVED, Observer
from ..reading import Reading, Result
from ..settings import StoreSettings
from .background import Background
from .cache import Cache
from .cluster import Cluster
from .counters import Counters
from .one_server import OneServer
from .servers import Servers
from .shared import Shared
from .ticket import Done, Ticket

_IMPRECISE = 0.002  # seconds by which what is due may come late


class Engine:
    """Runs readings against the store at a URL.

    Every method is called from one and the same thread, and returns at once but for `poll`.

    Attributes:
        store: Where the store is, without its password.
        counters: What was done so far.
    """

    def __init__(self, settings: StoreSettings, observer: Observer | None = None) -> None:
        """Prepare; connects when something is to be read.

        Raises:
            InvalidArgumentError: The URL is none that a store can have.
        """
        self.store = shown_address(settings.url)
        self.counters = Counters()
        self._selector = selectors.DefaultSelector()
        self._background = Background()
        self._selector.register(self._background, selectors.EVENT_READ)
        self._shared = Shared(
            settings, self._selector, self._background, observer or UNOBSERVED, self.counters
        )
        self._next_deadline = inf
        self._check_at = 0.0
        self._is_closed = False
        try:
            self._servers = _servers(self.store, self._shared)
        except HeadraceError:
            self._close_own()
            raise

    @property
    def is_available(self) -> bool:
        """Whether the store is asked at all, or calls fail because it did not answer."""
        return self._servers.is_available

    @property
    def unavailable(self) -> tuple[str, ...]:
        """The servers that are not asked because they did not answer."""
        return self._servers.unavailable

    @property
    def caches(self) -> tuple[Cache, ...]:
        """Of each server that is connected, what it has told."""
        caches = (node.cache for node in self._servers.nodes)
        return tuple(cache for cache in caches if cache is not None)

    @property
    def waiting_readings(self) -> int:
        """How many readings wait to be sent."""
        return self._shared.waiting.parts

    @property
    def waiting_keys(self) -> int:
        """How many keys wait to be sent."""
        return self._shared.waiting.keys

    def submit(
        self, reading: Reading[Result], done: Done[Result], *, deadline: float = inf
    ) -> Ticket[Result]:
        """Run a reading to its first yield, and have its keys read.

        Args:
            reading: What to run.
            done: Told the result or the error, exactly once: from within `submit` when no key is
                needed or it fails at once, else from within `poll`.
            deadline: In monotonic seconds. From then on its keys are not sent any more, and it ends
                in a `DeadlineExceededError`.
        """
        ticket: Ticket[Result] = Ticket(reading, done, deadline, self._route)
        keys = ticket.begin()
        if not ticket.is_over:
            if self._is_full(len(keys)):
                self.counters.overloaded += 1
                ticket.refuse(OverloadedError(what="readings of the online store wait already"))
            else:
                self._next_deadline = min(self._next_deadline, deadline)
                self._route(ticket)
        return ticket

    def fileno(self) -> int:
        """Of the engine's selector: readable when `poll` has something to do."""
        return self._selector.fileno()

    def poll(self, timeout: float) -> None:
        """Send what waits, take what has come, act on what did not come in time.

        Args:
            timeout: How long to wait for something to come, in seconds; 0 does not wait.
        """
        waiting = self._shared.waiting
        if waiting.parts:
            self._servers.send_waiting()
        if timeout > _IMPRECISE:
            timeout = max(0.0, min(timeout, self.next_event() - monotonic()))
        events = self._selector.select(timeout)
        for key, mask in events:
            if key.fileobj is self._background:
                self._background.take_up()
            else:
                key.data.ready(mask)
        now = monotonic()
        if now >= self._next_deadline:
            self._expire(now)
        # A loop that polls all the time does not look at every clock each time.
        if events or now >= self._check_at:
            if now >= self._servers.next_event():
                self._servers.check(now)
            self._check_at = now + _IMPRECISE
        if waiting.parts:
            self._servers.send_waiting()

    def next_event(self) -> float:
        """When `poll` must be called even if `fileno` stays quiet; infinity for never.

        In monotonic seconds.
        """
        return min(self._next_deadline, max(self._check_at, self._servers.next_event()))

    def close(self) -> None:
        """Close all connections; readings that still run end in a `StoreUnavailableError`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._servers.close()
        self._close_own()

    def _close_own(self) -> None:
        self._selector.close()
        self._background.close()

    def _route(self, ticket: Ticket[Any]) -> None:
        if ticket.keys:
            self._servers.route(ticket)
        else:
            ticket.receive([])

    def _is_full(self, keys: int) -> bool:
        waiting, settings = self._shared.waiting, self._shared.settings
        return bool(waiting.parts) and (
            waiting.parts >= settings.waiting_readings
            or waiting.keys + keys > settings.waiting_keys
        )

    def _expire(self, now: float) -> None:
        self._next_deadline = inf
        for part in list(self._servers.parts()):
            if part.is_over:
                continue
            if part.deadline <= now:
                self.counters.expired += 1
                part.expire()
            else:
                self._next_deadline = min(self._next_deadline, part.deadline)


def _servers(store: str, shared: Shared) -> Servers:
    address = cluster_address(shared.settings.url)
    return OneServer(store, shared) if address is None else Cluster(store, address, shared)
