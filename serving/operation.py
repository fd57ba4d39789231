"""What runs beside the transport of a process: metrics, spans, and what is served over HTTP."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from .handler import Handler
from .logs import AccessLog
from .observing import UNOBSERVED, Observer
from .settings import Settings
from .store.engine import Engine

if TYPE_CHECKING:
    from .metrics import Metrics
    from .rest.server import RestServer
    from .tracing import Tracing


class Transport(Protocol):
    """What a transport lets one look at, from any thread."""

    @property
    def handler(self) -> Handler:
        """Answers; others in this process may ask it, too."""

    @property
    def engine(self) -> Engine:
        """Reads the store for it."""

    @property
    def open_calls(self) -> int:
        """Calls that are not answered yet, and streams and watches that have not ended."""


class Operation:
    """Watches one process, as far as its settings ask for it; otherwise nothing is imported.

    Attributes:
        observer: Is told what happens.
        tracing: Makes spans; `None` where they are sent nowhere.
    """

    def __init__(self, settings: Settings, transport: str) -> None:
        """Prepare for a transport of this name; nothing is listened on yet."""
        self._settings = settings
        self._servers: list[RestServer] = []
        self._metrics = _metrics(settings, transport)
        self.observer: Observer = self._metrics or UNOBSERVED
        if settings.log.access:
            self.observer = AccessLog(self.observer)
        self.tracing = _tracing(settings)

    @contextmanager
    def running(self, transport: Transport) -> Iterator[Mapping[str, str]]:
        """Serve over HTTP what is to be served there; where, by what it is.

        At the end of the block, calls over HTTP may finish, and the last spans are sent.

        Raises:
            PortTakenError: An address is in use.
            InvalidArgumentError: It cannot be listened on for another reason.
        """
        with ExitStack() as stack:
            if self.tracing is not None:
                stack.callback(self.tracing.close)
            addresses = {}
            if self._metrics is not None:
                _watch(self._metrics, transport)
                for what, server in self._made(self._metrics, transport.handler).items():
                    addresses[what] = server.start()
                    stack.callback(server.stop)
                    self._servers.append(server)
            yield addresses

    def drain(self) -> None:
        """Accept no more calls over HTTP; at once, and also from a signal's handler."""
        for server in self._servers:
            server.drain()

    def _made(self, metrics: "Metrics", handler: Handler) -> "Mapping[str, RestServer]":
        from .rest.server import RestServer  # noqa: PLC0415  # nobody else pays for starlette

        wanted = {"REST": self._settings.rest.bind, "Metrics": self._settings.metrics.bind}
        return {
            what: RestServer(
                self._settings,
                handler,
                metrics=metrics,
                observer=self.observer,
                tracing=self.tracing,
                only_operations=what == "Metrics",
            )
            for what, bind in wanted.items()
            if bind is not None
        }


def _metrics(settings: Settings, transport: str) -> "Metrics | None":
    if settings.rest.bind is None and settings.metrics.bind is None:
        return None
    from .metrics import Metrics  # noqa: PLC0415  # nobody else pays for prometheus_client

    return Metrics(transport)


def _tracing(settings: Settings) -> "Tracing | None":
    if settings.traces.endpoint is None:
        return None
    from .tracing import Tracing  # noqa: PLC0415  # nobody else pays for OpenTelemetry

    return Tracing(settings.traces)


def _watch(metrics: "Metrics", transport: Transport) -> None:
    engine, handler = transport.engine, transport.handler

    def catalogue_age() -> float:
        read_at = handler.refreshed_at
        return float("nan") if read_at is None else time.monotonic() - read_at

    gauges: dict[tuple[str, str], Callable[[], float]] = {
        ("open_calls", "Calls, streams and watches that have not ended."): (
            lambda: transport.open_calls
        ),
        ("catalogue_age_seconds", "Since the catalogue was last compared."): catalogue_age,
        ("store_waiting_readings", "Calls that wait for a read of the store to be sent."): (
            lambda: engine.waiting_readings
        ),
        ("store_waiting_keys", "Keys that wait to be sent."): lambda: engine.waiting_keys,
        ("store_unavailable_servers", "Servers that are not asked: they did not answer."): (
            lambda: len(engine.unavailable)
        ),
        ("store_cache_bytes", "What is kept of what the store has told."): (
            lambda: sum(cache.bytes for cache in engine.caches)
        ),
    }
    metrics.events(lambda: asdict(engine.counters))
    for (name, documentation), read in gauges.items():
        metrics.gauge(f"headrace_{name}", documentation, read)
