"""Several workers on one port: started, replaced when they end, drained together.

Each is a process of its own, started by `exec` before gRPC is ever initialized here (a fork after
that hangs). The kernel spreads connections over them (`SO_REUSEPORT`), so a client needs several
connections to use them all. This process serves nothing.
"""

import contextlib
import logging
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

from ..contract.errors import WorkerFailedError
from .lifeline import READY

_LOG = logging.getLogger("headrace.serving")

_ENDINGS = (signal.SIGTERM, signal.SIGINT)
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.1, 5.0
_HEALTHY_SECONDS = 5.0
_PATIENCE_SECONDS = 7.0  # beyond a drain, then a worker is killed


@dataclass(slots=True)
class Worker:
    """One worker process and this end of its lifeline."""

    number: int
    process: subprocess.Popen[bytes]
    lifeline: socket.socket
    started: float
    failures: int
    serves: bool = False


class Supervisor:
    """Keeps a number of workers running; used by the main thread, once."""

    def __init__(
        self, command: Callable[[int, int], Sequence[str]], count: int, drain: timedelta
    ) -> None:
        """Start nothing yet.

        Args:
            command: What starts a worker, by its number and the descriptor of its lifeline.
            count: How many.
            drain: How long they may take to end once told to.
        """
        self._command, self._count = command, count
        self._drain_seconds = drain.total_seconds()
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}
        self._due: list[tuple[float, int, int]] = []  # when, which, after how many failures
        self._is_stopping = False

    def run(self, serving: Callable[[], None]) -> None:
        """Keep them running until SIGTERM or SIGINT, then drain them all.

        Args:
            serving: Called once, when all of them accept calls.

        Raises:
            WorkerFailedError: One ended before all of them served; the others are ended, too.
        """
        with self._noticing_signals():
            try:
                for number in range(self._count):
                    self._start(number, failures=0)
                while not self._is_stopping and not self._all_serve():
                    for number in self._wait():
                        raise WorkerFailedError(number=number, status=self._end(number))
                if not self._is_stopping:
                    serving()
                while not self._is_stopping:
                    for number in self._wait():
                        self._replace(number)
                    self._start_due()
            finally:
                self._stop()

    @contextlib.contextmanager
    def _noticing_signals(self) -> Iterator[None]:
        waking, woken = socket.socketpair()
        for end in (waking, woken):
            end.setblocking(False)  # noqa: FBT003  # Python's own
        before = signal.set_wakeup_fd(waking.fileno())
        handlers = {number: signal.signal(number, self._told_to_stop) for number in _ENDINGS}
        self._selector.register(woken, selectors.EVENT_READ)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            self._selector.close()
            waking.close()
            woken.close()

    def _told_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _all_serve(self) -> bool:
        return all(worker.serves for worker in self._workers.values())

    def _wait(self) -> list[int]:
        """The workers that have ended, when any has, or when something else is to be done."""
        patience = min((due for due, _, _ in self._due), default=None)
        timeout = None if patience is None else max(0.0, patience - time.monotonic())
        ended = []
        for key, _ in self._selector.select(timeout):
            said = key.fileobj.recv(64)  # type: ignore[union-attr]  # all of them are sockets
            worker = self._workers.get(key.data) if key.data is not None else None
            if worker is None:
                continue
            if not said:
                ended.append(worker.number)
            elif READY in said:
                worker.serves = True
                sys.stdout.write(f"Worker {worker.number} is process {worker.process.pid}\n")
                sys.stdout.flush()
        return ended

    def _start(self, number: int, *, failures: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # our own program
                self._command(number, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # a Ctrl-C in the terminal is this process's business
            )
        self._selector.register(ours, selectors.EVENT_READ, number)
        self._workers[number] = Worker(number, process, ours, time.monotonic(), failures)

    def _end(self, number: int) -> int:
        """Forget a worker whose lifeline is cut; its exit status."""
        worker = self._workers.pop(number)
        self._selector.unregister(worker.lifeline)
        worker.lifeline.close()
        try:
            return worker.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            return worker.process.wait()

    def _replace(self, number: int) -> None:
        worker = self._workers[number]
        status = self._end(number)
        is_healthy = worker.serves and time.monotonic() - worker.started > _HEALTHY_SECONDS
        failures = 0 if is_healthy else worker.failures + 1
        delay = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2**failures)
        _LOG.error(
            "worker %d (process %d) ended with status %d; the next one starts in %.1f s",
            *(number, worker.process.pid, status, delay),
        )
        self._due.append((time.monotonic() + delay, number, failures))

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [entry for entry in self._due if entry[0] <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        for _, number, failures in due:
            self._start(number, failures=failures)

    def _stop(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            worker.process.terminate()
        until = time.monotonic() + self._drain_seconds + _PATIENCE_SECONDS
        for worker in workers:
            try:
                worker.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _LOG.error(
                    "worker %d did not end by itself: killed", worker.number
                )  # nothing failed here
                worker.process.kill()
                worker.process.wait()
            worker.lifeline.close()
