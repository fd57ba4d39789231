"""Servers that tests start (in a thread, as a process), and a gate before a server's store."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, TypeVar

from headrace.contract.clock import Clock
from headrace.contract.errors import ServerError
from headrace.serving.observing import Observer
from headrace.serving.settings import Settings, StoreSettings
from headrace.serving.transports.aio import AioServer
from headrace.serving.transports.lean import LeanServer
from headrace.tests.serving.publishing import NOW

_PATIENCE_SECONDS = 60
_PATIENCE = timedelta(seconds=5)
_Result = TypeVar("_Result")


def settings(url: str, **changes: Any) -> Settings:  # noqa: ANN401  # any field of Settings
    """A server on a free port, at the frozen instant of the tests."""
    chosen: dict[str, Any] = {
        "bind": "127.0.0.1:0",
        # Longer than a busy machine takes; what is tested of them sets them itself.
        "store": StoreSettings(url, timeout=_PATIENCE, connect_timeout=_PATIENCE),
        "namespace": "default",
        "clock": lambda: Clock(NOW),
        "refresh_every": timedelta(milliseconds=50),
    }
    return Settings(**{**chosen, **changes})


@contextmanager
def served(
    chosen: Settings, transport: str = "lean", observer: Observer | None = None
) -> Iterator[str]:
    """A server in a thread of this process; its address."""
    with (served_lean if transport == "lean" else served_aio)(chosen, observer) as address:
        yield address


@contextmanager
def served_lean(chosen: Settings, observer: Observer | None = None) -> Iterator[str]:
    """A server of the lean transport in a thread of this process; its address."""
    server = LeanServer(chosen, observer)
    address = server.start()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield address
    finally:
        server.stop()
        thread.join(_PATIENCE_SECONDS)
        assert not thread.is_alive()


@contextmanager
def served_aio(chosen: Settings, observer: Observer | None = None) -> Iterator[str]:
    """A server of the `aio` transport in a thread of this process; its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(_PATIENCE_SECONDS)

    async def made() -> AioServer:
        return AioServer(chosen, observer)

    server = run(made())
    try:
        yield run(server.start())
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def patiently(call: Callable[[], _Result]) -> _Result:
    """What a call returns once its server answers again."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return call()
        except ServerError:
            assert time.monotonic() < deadline, "it never answered again"
            time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """`python -m headrace.serving`, accepting calls.

    Attributes:
        others: What it serves over HTTP, and where.
        said: What it said before.
    """

    process: subprocess.Popen[str]
    address: str
    others: Mapping[str, str]
    said: Sequence[str]


@contextmanager
def server_process(
    bind: str = "127.0.0.1:0", *options: str, **variables: str
) -> Iterator[ServerProcess]:
    """A server as a process of its own, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace.serving", "--bind", bind, *options],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline()]
            while said[-1].startswith("Worker "):
                said.append(process.stdout.readline())
            assert said[-1], "the server ended before it listened"
            asked = {"--rest", "--metrics"}.intersection(options)
            lines = [process.stdout.readline() for _ in asked]
            others = {what: where for what, _, where in (line.split() for line in lines)}
            hosts = {what: where.removeprefix("http://") for what, where in others.items()}
            yield ServerProcess(process, said[-1].split()[-1], hosts, said)
        finally:
            process.kill()


class Gate:
    """A TCP port before a Valkey's unix socket, which holds what is sent while it is shut."""

    def __init__(self, url: str, holds: bytes = b"") -> None:
        """Stand, open, before the Valkey at this `unix://` URL; hold what contains these bytes."""
        self._holds = holds
        self._path = url.removeprefix("unix://")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self.open, self.holding = threading.Event(), threading.Event()
        self.open.set()
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        """Begin to accept connections."""
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self.open.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()  # nothing is accepted any more: what was, is in the list
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                store = socket.socket(socket.AF_UNIX)
                self._sockets += (client, store)
                store.connect(self._path)
                for arguments in ((client, store, True), (store, client, False)):
                    thread = threading.Thread(target=self._pump, args=arguments)
                    self._threads.append(thread)
                    thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, is_held: bool) -> None:  # noqa: FBT001  # a thread's target
        with suppress(OSError):
            while received := source.recv(65536):
                if is_held and not self.open.is_set() and self._holds in received:
                    self.holding.set()
                    self.open.wait()
                target.sendall(received)
            target.shutdown(socket.SHUT_WR)
