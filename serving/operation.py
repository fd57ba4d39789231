"""What runs beside the transport of a process: metrics, spans, and what is served over HTTP."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .handler import Handler
from .logs import AccessLog
from .observing import UNOBSERVED, Observer
from .settings import Settings

if TYPE_CHECKING:
    from .metrics import Metrics
    from .rest.server import RestServer
    from .tracing import Tracing

Gauge = tuple[str, str, Callable[[], float]]
"""Name, description, and how it is read."""


class Operation:
    """Watches one process, as far as its settings ask for it; otherwise nothing is imported.

    Attributes:
        observer: Is told what happens.
        tracing: Makes spans; `None` where they are sent nowhere.
    """

    def __init__(self, settings: Settings, transport: str) -> None:
        """Prepare; nothing is listened on yet."""
        self._settings = settings
        self._servers: list[RestServer] = []
        self._metrics = _metrics(settings, transport)
        self.observer: Observer = self._metrics or UNOBSERVED
        if settings.log.access:
            self.observer = AccessLog(self.observer)
        self.tracing = _tracing(settings)

    def start(self, handler: Handler, gauges: tuple[Gauge, ...] = ()) -> Mapping[str, str]:
        """Serve what is served over HTTP; where, by what it is.

        Args:
            handler: Of this process.
            gauges: What the transport lets one look at.

        Raises:
            PortTakenError: An address is in use.
            InvalidArgumentError: It cannot be listened on for another reason.
        """
        if self._metrics is None:
            return {}
        from .rest.server import RestServer  # noqa: PLC0415  # nobody else pays for starlette

        for name, documentation, read in (*gauges, _catalogue_age(handler)):
            self._metrics.gauge(name, documentation, read)
        addresses = {}
        for what, bind in (
            ("REST", self._settings.rest.bind),
            ("metrics", self._settings.metrics.bind),
        ):
            if bind is not None:
                server = RestServer(
                    self._settings,
                    handler,
                    metrics=self._metrics,
                    observer=self.observer,
                    tracing=self.tracing,
                    only_operations=what == "metrics",
                )
                addresses[what] = server.start()
                self._servers.append(server)
        return addresses

    def stop(self) -> None:
        """Let calls over HTTP finish, and send the last spans; blocks meanwhile."""
        for server in self._servers:
            server.stop()
        if self.tracing is not None:
            self.tracing.close()


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


def _catalogue_age(handler: Handler) -> Gauge:
    def age() -> float:
        read_at = handler.refreshed_at
        return float("nan") if read_at is None else time.monotonic() - read_at

    return "headrace_catalogue_age_seconds", "Since the catalogue was last compared.", age
