"""What processes of one home tell each other: who runs `up`, where feature servers answer."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..contract.document import digest
from ..contract.environment import Environment
from ..contract.errors import HomeInUseError, HomeUnusableError

_LOCK = "up.lock"
_SERVERS = "servers"


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


def home_unusable(error: OSError) -> HomeUnusableError | None:
    """What to say of a failure in the home's folder, or above it; `None` if it was elsewhere."""
    home = Environment.read().home
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if path is None or not (path.is_relative_to(home) or home.is_relative_to(path)):
        return None
    return HomeUnusableError(home=str(home), reason=error.strerror or str(error))


@contextmanager
def announced_server(environment: Environment, address: str) -> Iterator[None]:
    """Record where a feature server of this home answers, so that `lookup` needs no address.

    Several servers may be announced. The kernel's lock on the record says that it holds: it is
    given up however the process ends.
    """
    folder = environment.home / _SERVERS
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{os.getpid()}-{digest(address.encode())[:8]}.json"
    temporary = record.with_suffix(".new")
    with temporary.open("w") as announcement:
        fcntl.flock(announcement, fcntl.LOCK_EX)
        json.dump({"address": address, "reads": _reads(environment)}, announcement)
        announcement.flush()
        temporary.replace(record)
        try:
            yield
        finally:
            record.unlink(missing_ok=True)


def server_addresses(environment: Environment) -> list[str]:
    """Where feature servers of this home are announced by processes that live, newest first.

    One that reads another online store or namespace is not this environment's.
    """
    found: list[tuple[int, str]] = []
    for record in (environment.home / _SERVERS).glob("*.json"):
        with suppress(FileNotFoundError), record.open() as announcement:
            if _is_held(announcement):
                said = json.load(announcement)
                if said["reads"] == _reads(environment):
                    found.append((record.stat().st_mtime_ns, said["address"]))
            else:
                record.unlink(missing_ok=True)
    return [address for _, address in sorted(found, reverse=True)]


def _is_held(announcement: IO[str]) -> bool:
    # Shared, so that two readers do not take each other for the one who announced.
    try:
        fcntl.flock(announcement, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _reads(environment: Environment) -> str:
    """What a server reads, as a digest: a URL may hold a password."""
    return digest(f"{environment.namespace} {environment.redis_url}".encode())


def _holder(home: Path) -> int:
    text = (home / _LOCK).read_text().strip()
    return int(text) if text.isdigit() else 0
