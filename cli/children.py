"""Processes that a command starts beside itself and stops again: only those, and all of those."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from .failures import ServiceFailedError

_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.1
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALS = (
    # What each kind of server takes for "finish what you do", then what leaves no choice.
    (signal.SIGTERM, 15.0),
    (signal.SIGKILL, 5.0),
)


@dataclass(slots=True)
class Child:
    """One running process, the leader of its own process group."""

    name: str
    process: subprocess.Popen
    log: Path

    def failure(self) -> ServiceFailedError:
        """What to say when it has ended by itself, or does not answer."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "it said nothing")
        return ServiceFailedError(
            service=self.name, status=self.process.poll(), last_line=last, log=str(self.log)
        )


@dataclass(slots=True)
class Children:
    """The processes of one command; leaving the block stops them, the last one started first.

    Attributes:
        logs: A folder for what they say.
    """

    logs: Path
    running: list[Child] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Make the folder for logs."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop all; a second Ctrl-C does not keep that from happening."""
        with _deaf():
            while self.running:
                _stop(self.running.pop())

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start a process that writes to a log of its own.

        It leads a process group: a Ctrl-C in the terminal reaches this process alone, which then
        stops it in order, together with whatever it started itself.
        """
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                process_group=0,
            )
        child = Child(name, process, log)
        self.running.append(child)
        return child

    def wait_until(self, child: Child, is_ready: Callable[[], bool]) -> None:
        """Wait until a child answers.

        Raises:
            ServiceFailedError: It ended, or did not answer in time.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not is_ready():
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise child.failure()
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """See whether all run.

        Raises:
            ServiceFailedError: One ended by itself.
        """
        for child in self.running:
            if child.process.poll() is not None:
                raise child.failure()


def answer_to_signals() -> None:
    """Make SIGINT and SIGTERM end this process through its `finally` blocks.

    A shell starts background jobs with SIGINT ignored, and an ignored signal is inherited: a child
    that relies on it would never stop. A handled one is reset when a child starts.
    """
    for number in _ENDINGS:
        signal.signal(number, _interrupt)


@contextmanager
def _deaf() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _stop(child: Child) -> None:
    for number, patience in _SIGNALS:
        if not _is_alive(child):
            break
        _send(child, number)
        deadline = time.monotonic() + patience
        while _is_alive(child) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    child.process.wait()


def _send(child: Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def _is_alive(child: Child) -> bool:
    """Whether anything of the child's group is left: it may have started processes of its own."""
    child.process.poll()
    try:
        os.killpg(child.process.pid, 0)
    except ProcessLookupError:
        return False
    return True
