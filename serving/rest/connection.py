"""One HTTP connection: what uvicorn's own does not bound, it bounds, and it says whose it is."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from ..settings import RestSettings

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"connection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
)
IDENTITIES = "identities"
"""Where a request's state names who its caller's certificate is of."""


def connections(settings: RestSettings) -> type[H11Protocol]:
    """The connections of a server with these settings."""

    class Connection(_Connection):
        _rest = settings

    return Connection


class _Connection(H11Protocol):
    """Ended when headers do not come or an answer is not taken, and at once where it is too many.

    `rest.body_timeout` and `rest.timeout` bound what lies between, where an answer says why.
    """

    _rest: RestSettings
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.app_state = {**self.app_state, IDENTITIES: _identities(transport)}
        if len(self.connections) > self._rest.connections:
            self.transport.write(_FULL)
            self.transport.close()
        else:
            self._allow(self._rest.header_timeout.total_seconds())

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._deadline is None:  # the first bytes after an answer
            self._allow(self._rest.header_timeout.total_seconds())
        super().data_received(data)
        if self.cycle is not before:
            self._began()

    def on_response_complete(self) -> None:
        before = self.cycle
        self._allow(None)
        super().on_response_complete()
        if self.cycle is not before:  # the next request was there already
            self._began()

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def _began(self) -> None:
        """The headers of a request have come: it may take its time, and its answer be taken."""
        if self.cycle.response_complete:
            return
        rest = self._rest
        allowed = rest.body_timeout + rest.timeout + rest.header_timeout
        self._allow(allowed.total_seconds())

    def _allow(self, seconds: float | None) -> None:
        """Abort unless something else is allowed within so many seconds; `None`: however long."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)


def _identities(transport: asyncio.BaseTransport) -> list[bytes]:
    """Whose a verified certificate is, as gRPC has it: alternative names, else the common one."""
    certificate: dict[str, Any] = transport.get_extra_info("peercert") or {}
    names = [name for _, name in certificate.get("subjectAltName", ())]
    if not names:
        subject = (pair for part in certificate.get("subject", ()) for pair in part)
        names = [value for kind, value in subject if kind == "commonName"]
    return [name.encode() for name in names]
