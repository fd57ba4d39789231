"""The HTTP server: a thread with an event loop and a connection to the store of its own.

So it works beside either transport of the RPC, and neither waits for the other.
"""

import asyncio
import errno
import math
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from ...contract.errors import InvalidArgumentError, PortTakenError
from ..handler import Handler
from ..metrics import Metrics, group_age_metric
from ..observing import Observer
from ..reader import Reader
from ..settings import Settings, TlsSettings
from ..tls import server_credentials
from .application import Interface
from .connection import connections
from .edge import application
from .operations import descriptions, operations
from .siblings import Siblings, joined, siblings_folder

if TYPE_CHECKING:
    from ..tracing import Tracing

_PORTS = 2**16
_BACKLOG = 2048


class RestServer:
    """Serves HTTP until it is stopped; `start` and `stop` are called from another thread."""

    def __init__(
        self,
        settings: Settings,
        handler: Handler,
        *,
        metrics: Metrics,
        observer: Observer,
        tracing: "Tracing | None" = None,
        only_operations: bool = False,
    ) -> None:
        """Prepare to answer from a handler, which others may use at the same time.

        Args:
            settings: `rest.bind` says where to listen; `metrics.bind` when that alone is asked for.
            handler: Of this process.
            metrics: What `/metrics` shows.
            observer: Who is told of every call.
            tracing: Makes spans of calls.
            only_operations: Whether there are health and metrics alone, and no features.
        """
        self._settings, self._handler = settings, handler
        self._metrics, self._observer = metrics, observer
        self._tracing, self._only_operations = tracing, only_operations
        self._server: _Server | None = None
        self._interface: Interface | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Listen; the URL, with the real port.

        Raises:
            PortTakenError: The address is in use.
            InvalidArgumentError: It cannot be listened on for another reason.
        """
        bind = (self._settings.metrics if self._only_operations else self._settings.rest).bind or ""
        option = "--metrics" if self._only_operations else "--rest"
        if self._tls is not None:
            server_credentials(self._tls)  # which says what is wrong with them
        shares_port = self._settings.shares_port and not self._only_operations
        listener = listening_socket(bind, option=option, shares_port=shares_port)
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="rest"
        )
        self._thread.start()
        ready.result()
        return url(f"{bind.rpartition(':')[0]}:{listener.getsockname()[1]}", self._tls)

    @property
    def _tls(self) -> TlsSettings | None:
        """The RPC's; none where only those look who watch the server."""
        return None if self._only_operations else self._settings.tls

    def drain(self) -> None:
        """Refuse new connections from now on; returns at once."""
        if self._server is not None and self._interface is not None:
            self._interface.is_draining = self._server.should_exit = True

    def stop(self) -> None:
        """Drain, let calls in flight finish as long as a drain may last, end."""
        self.drain()
        if self._thread is not None:
            self._thread.join()

    async def _serve(self, listener: socket.socket, ready: "Future[None]") -> None:
        try:
            async with self._interface_opened() as interface, self._siblings_opened() as siblings:
                self._interface = interface
                self._server = _Server(self._configuration(interface, siblings), ready)
                await self._server.serve([listener])
        except BaseException as error:
            if ready.done():
                raise
            listener.close()
            ready.set_exception(error)

    @asynccontextmanager
    async def _interface_opened(self) -> AsyncIterator[Interface]:
        reader = Reader(self._settings.store)
        try:
            yield Interface(
                self._settings,
                self._handler,
                reader,
                observer=self._observer,
                tracing=self._tracing,
            )
        finally:
            await reader.close()

    @asynccontextmanager
    async def _siblings_opened(self) -> "AsyncIterator[Siblings | None]":
        """The other workers, where a scrape may reach any of them."""
        number = self._settings.worker
        if number is None or self._only_operations:
            yield None
            return
        siblings = Siblings(
            siblings_folder(os.getppid()), number, lambda: self._metrics.exposition("", {})[0]
        )
        await siblings.open()
        try:
            yield siblings
        finally:
            await siblings.close()

    def _configuration(self, interface: Interface, siblings: Siblings | None) -> uvicorn.Config:
        async def exposition(accept: str) -> tuple[bytes, str]:
            ages = await interface.group_ages()
            if siblings is None:
                return self._metrics.exposition(accept, ages)
            return joined(await siblings.counted(), [group_age_metric(ages)], accept)

        routes = operations(exposition, interface.readiness)
        if not self._only_operations:
            routes += [*interface.routes(), *descriptions()]
        return uvicorn.Config(
            application(routes),
            **_secured(self._tls),
            http=connections(self._settings.rest),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=math.ceil(self._settings.drain.total_seconds()),
        )


def url(address: str, tls: TlsSettings | None) -> str:
    """Where a browser finds what listens at `host:port`."""
    return f"{'http' if tls is None else 'https'}://{address}"


def _secured(tls: TlsSettings | None) -> dict[str, Any]:
    """What uvicorn is told of certificates."""
    if tls is None:
        return {}
    return {
        "ssl_certfile": tls.certificate,
        "ssl_keyfile": tls.key,
        "ssl_ca_certs": tls.client_ca,
        "ssl_cert_reqs": ssl.CERT_NONE if tls.client_ca is None else ssl.CERT_REQUIRED,
    }


class _Server(uvicorn.Server):
    """Says when it accepts connections; signals are the process's own business."""

    def __init__(self, config: uvicorn.Config, ready: "Future[None]") -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set_result(None)


def listening_socket(bind: str, *, option: str, shares_port: bool = False) -> socket.socket:
    """A socket that listens at `host:port`, alone or with other workers of one supervisor.

    Raises:
        PortTakenError: The address is in use.
        InvalidArgumentError: It cannot be listened on for another reason.
    """
    host, _, port = bind.rpartition(":")
    problem = "it has no port between 0 and 65535"
    if host and port.isdecimal() and int(port) < _PORTS:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server(
                (host.strip("[]"), int(port)),
                family=family,
                backlog=_BACKLOG,
                reuse_port=shares_port,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(
                    address=bind, purpose="the feature server", option=option
                ) from error
            problem = str(error)
    raise InvalidArgumentError(
        argument=option,
        problem=f"{bind!r} cannot be listened on ({problem})",
        remedy="write it as host:port, such as 127.0.0.1:8080",
    )
