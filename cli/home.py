"""What processes of one home tell each other: who runs `up`, where the feature server answers."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..contract.document import digest
from ..contract.environment import Environment
from ..contract.errors import HomeInUseError

_LOCK = "up.lock"
_SERVER = "server.json"


@contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Hold the home for one `headrace up`; the kernel lets go of it however the process ends.

    Raises:
        HomeInUseError: Another process holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / _LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HomeInUseError(home=str(home), pid=_holder(home)) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def announced_server(environment: Environment, address: str) -> Iterator[None]:
    """Record where this home's feature server answers, so that `lookup` needs no address."""
    home = environment.home
    record = home / _SERVER
    temporary = record.with_name(f"{_SERVER}.{os.getpid()}")
    temporary.write_text(
        json.dumps({"address": address, "pid": os.getpid(), "reads": _reads(environment)})
    )
    temporary.replace(record)
    try:
        yield
    finally:
        if server_record(home).get("pid") == os.getpid():
            record.unlink(missing_ok=True)


def server_address(environment: Environment) -> str | None:
    """Where this home's feature server was last announced; it may have died since.

    One that reads another online store or namespace is not this environment's.
    """
    record = server_record(environment.home)
    return record.get("address") if record.get("reads") == _reads(environment) else None


def server_record(home: Path) -> dict:
    """What the announcing process wrote; empty when no server was announced."""
    try:
        record: dict = json.loads((home / _SERVER).read_text())
    except FileNotFoundError:
        return {}
    return record


def _reads(environment: Environment) -> str:
    """What a server reads, as a digest: a URL may hold a password."""
    return digest(f"{environment.namespace} {environment.redis_url}".encode())


def _holder(home: Path) -> int:
    text = (home / _LOCK).read_text().strip()
    return int(text) if text.isdigit() else 0
