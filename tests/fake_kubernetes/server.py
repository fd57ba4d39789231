"""The API of the small Kubernetes over HTTP, as its official client asks it."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from headrace.tests.fake_kubernetes.cluster import Cluster, RefusedError

_PATH = re.compile(
    r"/(?P<api>apis/batch/v1|api/v1)/namespaces/(?P<namespace>[^/]+)"
    r"/(?P<kind>jobs|pods|events)(?:/(?P<name>[^/]+))?(?:/(?P<part>status|log))?"
)
_APIS = {"jobs": "apis/batch/v1", "pods": "api/v1", "events": "api/v1"}
_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: fake
contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]
clusters: [{{name: fake, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: fake, user: {{}}}}]
"""


@contextmanager
def served(cluster: Cluster) -> Iterator[Path]:
    """Serve a cluster on a port of its own; the file by which clients find it."""

    class Handler(_Handler):
        pass

    Handler.cluster = cluster
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cluster.folder.mkdir(parents=True, exist_ok=True)
        kubeconfig = cluster.folder / "kubeconfig"
        kubeconfig.write_text(_KUBECONFIG.format(port=server.server_port))
        try:
            yield kubeconfig
        finally:
            cluster.stop()
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        try:
            code, found = self._found(body)
        except RefusedError as refused:
            code, found = refused.status["code"], refused.status
        is_text = isinstance(found, str)
        content = found.encode() if isinstance(found, str) else json.dumps(found).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if is_text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _found(self, body: dict[str, Any]) -> tuple[int, dict[str, Any] | str]:
        url = urlsplit(self.path)
        match = _PATH.fullmatch(url.path)
        if match is None or match["api"] != _APIS[match["kind"]]:
            raise RefusedError(404, "NotFound", f"there is no {url.path}")
        namespace, kind, name = match["namespace"], match["kind"], match["name"]
        if self.command == "POST" and kind == "jobs" and name is None:
            return 201, self.cluster.create_job(namespace, body)
        if self.command == "DELETE" and kind == "jobs" and name is not None:
            return 200, self.cluster.delete_job(namespace, name)
        if self.command != "GET":
            raise RefusedError(405, "MethodNotAllowed", f"{self.command} {url.path}")
        if match["part"] == "log":
            return 200, self.cluster.log(namespace, name)
        if name is not None:
            return 200, self.cluster.found(kind, namespace, name)
        selector = dict(parse_qsl(url.query)).get("labelSelector", "")
        labels = dict(term.split("=", 1) for term in selector.split(",") if term)
        version = "batch/v1" if kind == "jobs" else "v1"
        items = self.cluster.listed(kind, namespace, labels)
        listed = f"{kind[:-1].title()}List"
        return 200, {"kind": listed, "apiVersion": version, "metadata": {}, "items": items}
