"""A webhook for tests: a real HTTP server that remembers what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """What arrived at a webhook.

    Attributes:
        status: What it answers.
        bodies: The JSON documents that it took.
        raw: The same as text, of refused ones, too.
    """

    url: str = ""
    status: int = 204
    bodies: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def news(self) -> list[tuple[str, str, str, str | None]]:
        """The alerts that it took: state, asset, check, partition."""
        return [
            (each["state"], each["asset"], each["check"], each["partition"])
            for body in self.bodies
            for each in body["alerts"]
        ]


@contextmanager
def running_webhook() -> Iterator[Webhook]:
    """A webhook on a port of its own, for as long as the block lasts."""
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            webhook.raw.append(text)
            if webhook.status < 300:
                assert self.headers["Content-Type"] == "application/json"
                webhook.bodies.append(json.loads(text))
            self.send_response(webhook.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the name that the library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        webhook.url = f"http://127.0.0.1:{server.server_port}/a-secret"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield webhook
        finally:
            server.shutdown()
            thread.join()
