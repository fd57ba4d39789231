"""Several workers under a supervisor: what clients notice when one, or the supervisor, is gone."""

import logging
import os
import re
import signal
import sys
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from headrace.serving.supervisor import Supervisor
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.running import ServerProcess, server_process
from headrace.tests.serving.test_main import connects, refused
from headrace.tests.serving.transports.calling import SPEND, method, wait_until

pytestmark = pytest.mark.server

_WORKER = re.compile(r"Worker (\d+) is process (\d+)")


@pytest.fixture
def variables(valkey_url: str, tmp_path: Path, publisher: Publisher) -> dict[str, str]:
    publisher.publish(group(), {(1,): (12.5, 3)})
    return {
        "HEADRACE_REDIS": valkey_url,
        "HEADRACE_HOME": str(tmp_path),
        "HEADRACE_CLOCK": NOW.isoformat(),
    }


def workers(server: ServerProcess) -> dict[int, int]:
    """The process ids of the workers, by their number."""
    return {int(number): int(pid) for number, pid in _WORKER.findall("".join(server.said))}


def next_worker(server: ServerProcess) -> int:
    """The process id of the next worker that serves."""
    assert server.process.stdout is not None
    while (found := _WORKER.search(server.process.stdout.readline())) is None:
        pass
    return int(found[2])


def is_running(pid: int) -> bool:
    """Whether there is such a process, zombies left out."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Load:
    """Calls over some connections, one after the other on each, until it is stopped."""

    def __init__(self, address: str, connections: int) -> None:
        """Begin."""
        self.outcomes: Counter[str] = Counter()
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(address,)) for _ in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop, when every call has ended."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _call(self, address: str) -> None:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
        ]
        with grpc.insecure_channel(address, options=options) as channel:
            look_up = method(channel)
            while not self._is_over.is_set():
                try:
                    look_up(request([SPEND]), timeout=3, wait_for_ready=True)
                    self.outcomes["OK"] += 1
                except grpc.RpcError as error:
                    self.outcomes[error.code().name] += 1


def test_workers_share_a_port_that_another_server_is_refused_and_drain_together(
    variables: dict[str, str],
) -> None:
    with server_process("127.0.0.1:0", "--workers", "2", **variables) as server:
        pids = workers(server)
        message = refused(variables, "--bind", server.address)
        also_refused = refused(variables, "--bind", server.address, "--workers", "2")
        with grpc.insecure_channel(server.address) as channel:
            answered = method(channel)(request([SPEND]), timeout=10)
        server.process.send_signal(signal.SIGTERM)
        status = server.process.wait(30)

    assert pids.keys() == {0, 1}
    assert f"{server.address} is in use" in message
    assert f"{server.address} is in use" in also_refused
    assert answered
    assert status == 0
    assert not any(map(is_running, pids.values()))
    assert not connects(server.address)


def test_what_keeps_a_worker_from_starting_ends_the_supervisor_with_it(
    variables: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")

    tls = ("--tls-cert", str(broken), "--tls-key", str(broken))
    said = refused(variables, "--bind", "127.0.0.1:0", "--workers", "2", *tls)

    assert f"error: --tls-cert and --tls-key: {broken} and {broken} do not go together" in said
    assert "error: worker " in said
    assert "of the feature server ended before it served (exit status 1)" in said


def test_workers_cannot_share_a_unix_socket(variables: dict[str, str], tmp_path: Path) -> None:
    said = refused(variables, "--bind", f"unix:{tmp_path}/x.sock", "--workers", "2")

    assert f"--bind: workers cannot share unix:{tmp_path}/x.sock" in said


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_calls_go_on_meanwhile(variables: dict[str, str]) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(server_process("127.0.0.1:0", "--workers", "2", **variables))
        killed, other = workers(server)[0], workers(server)[1]
        load = Load(server.address, connections=8)
        stack.callback(load.stop)
        wait_until(lambda: load.outcomes["OK"] > 100)
        before = load.outcomes.copy()
        os.kill(killed, signal.SIGKILL)
        replacement = next_worker(server)
        wait_until(lambda: load.outcomes["OK"] > before["OK"] + 200)
        load.stop()
        lost = sum((load.outcomes - before).values()) - (load.outcomes - before)["OK"]

        # At most the one call that was in flight on each connection to the killed worker.
        assert lost <= 8
        assert load.outcomes.keys() <= {"OK", "UNAVAILABLE"}
        assert replacement not in {killed, other}
        assert is_running(other)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert not is_running(replacement)
        assert not is_running(other)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_a_killed_supervisor_leaves_no_orphans_and_calls_in_flight_are_answered(
    variables: dict[str, str], transport: str
) -> None:
    with ExitStack() as stack:
        options = ("--workers", "2", "--transport", transport)
        server = stack.enter_context(server_process("127.0.0.1:0", *options, **variables))
        pids = workers(server)
        load = Load(server.address, connections=4)
        stack.callback(load.stop)
        wait_until(lambda: load.outcomes["OK"] > 100)

        server.process.kill()

        wait_until(lambda: not any(map(is_running, pids.values())))
        assert not connects(server.address)
        # Calls that cross the end of a connection may be CANCELLED, which a client repeats.
        assert load.outcomes.keys() <= {"OK", "UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"}


def test_a_worker_that_ends_again_and_again_is_started_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    program = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).send(b'r')"
    supervisor = Supervisor(
        lambda _, lifeline: [sys.executable, "-c", program, str(lifeline)], 1, timedelta(0)
    )
    delays: list[str] = []

    class ThenStop(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            delays.extend(re.findall(r"the next one starts in (\S+) s", record.getMessage()))
            if len(delays) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    log = logging.getLogger("headrace.serving")
    handler = ThenStop()
    log.addHandler(handler)
    try:
        supervisor.run(lambda: None)
    finally:
        log.removeHandler(handler)

    assert delays == ["0.2", "0.4", "0.8"]
    assert "worker 0 (process" in caplog.text
