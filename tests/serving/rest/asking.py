"""REST servers that tests start, and a plain HTTP client."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from headrace.serving.handler import Handler
from headrace.serving.metrics import Metrics
from headrace.serving.rest.server import RestServer
from headrace.serving.settings import RestSettings, Settings
from headrace.tests.serving.running import settings

LOOKUP = "/v1/online-features"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # JSON
        """The body, taken for JSON."""
        return json.loads(self.body)


def rest_settings(url: str, **changes: Any) -> Settings:  # noqa: ANN401  # any field of Settings
    """A server with REST on a free port, at the frozen instant of the tests."""
    rest = changes.pop("rest", None) or RestSettings(bind="127.0.0.1:0")
    return settings(url, rest=rest, **changes)


@contextmanager
def rest_served(chosen: Settings, handler: Handler | None = None) -> Iterator[str]:
    """A REST server in a thread of this process; its address, without the scheme."""
    metrics = Metrics()
    answering = handler or Handler(
        chosen.namespace, chosen.limits, chosen.clock(), observer=metrics
    )
    server = RestServer(chosen, answering, metrics=metrics, observer=metrics)
    address = server.start().partition("://")[2]
    try:
        yield address
    finally:
        server.stop()


def ask(
    address: str,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request; a body that is no bytes is sent as JSON."""
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request(
            method or ("GET" if raw is None else "POST"),
            path,
            raw,
            {"content-type": "application/json", **(headers or {})},
        )
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, named, response.read())


def households(*entities: int, **body: object) -> dict[str, object]:
    """The body of a lookup for households."""
    return {
        "features": ["household_spend:spend_30d"],
        "entities": {"household_id": list(entities)},
        **body,
    }
