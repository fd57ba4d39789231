"""The loop of the lean transport alone: how many calls it takes, and what it says of them."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

import grpc
import pytest

from headrace.serving.transports.completion_queue import send_status, with_close
from headrace.serving.transports.lean_loop import Accepted, LeanLoop
from headrace.tests.serving.transports.calling import wait_until

pytestmark = pytest.mark.server

ABORTED = grpc.StatusCode.ABORTED


@contextmanager
def running(
    begin: Callable[[LeanLoop, Accepted], None], *, requests: int = 8, limit: int = 8
) -> Iterator["tuple[LeanLoop, grpc.UnaryUnaryMultiCallable[bytes, bytes]]"]:
    """A loop that begins calls in this way, and a method of its server."""
    loop = LeanLoop([], lambda call: begin(loop, call), requests=requests, limit=limit)
    port = loop.server.add_http2_port(b"127.0.0.1:0", None)
    thread = threading.Thread(target=loop.run)
    thread.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield loop, channel.unary_unary("/any/Method")
        loop.after(0, lambda: loop.drain(0))
    thread.join()


def end(loop: LeanLoop, accepted: Accepted) -> None:
    """End a call."""
    batch = with_close(send_status(ABORTED.value[0], b"", is_first=True))
    loop.start_last(accepted.call, batch)


def code_of(call: "grpc.UnaryUnaryMultiCallable[bytes, bytes]", timeout: float | None) -> object:
    """How a call ends."""
    with pytest.raises(grpc.RpcError) as ended:
        call(b"", timeout=timeout, wait_for_ready=True)
    return ended.value.code()


@pytest.mark.parametrize(("timeout", "expected"), [(3600, 3600), (None, inf)])
def test_a_deadline_is_told_in_monotonic_time(timeout: float | None, expected: float) -> None:
    deadlines = []

    def begin(loop: LeanLoop, accepted: Accepted) -> None:
        deadlines.append(accepted.deadline - time.monotonic())
        end(loop, accepted)

    with running(begin) as (_, call):
        assert code_of(call, timeout) is ABORTED

    assert deadlines == [pytest.approx(expected, abs=600)]


def test_no_more_calls_are_taken_than_may_be_open() -> None:
    """Whatever comes meanwhile stays with grpcio, which knows how to shed it."""
    open_calls = []

    def begin(loop: LeanLoop, accepted: Accepted) -> None:
        open_calls.append(loop.open_calls)
        loop.after(0.02, lambda: end(loop, accepted))

    with running(begin, requests=3, limit=4) as (_, call):
        calls = [call.future(b"", timeout=60, wait_for_ready=True) for _ in range(40)]
        assert {one.code() for one in calls} == {ABORTED}

    assert len(open_calls) == 40
    assert max(open_calls) <= 4


def test_a_call_that_cannot_be_begun_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    begun = []

    def begin(loop: LeanLoop, accepted: Accepted) -> None:
        begun.append(accepted)
        if len(begun) == 1:
            raise ValueError(begun)
        end(loop, accepted)

    with running(begin) as (_, call):
        lost = call.future(b"", timeout=60, wait_for_ready=True)
        wait_until(lambda: begun)
        assert code_of(call, 60) is ABORTED
        lost.cancel()

    assert "an event of a call could not be handled" in caplog.text


_TOO_LATE = """
from headrace.serving.transports.completion_queue import receive_message
from headrace.tests.serving.transports.test_lean_loop import code_of, end, running

taken = []

def begin(loop, accepted):
    taken.append(accepted.call)
    end(loop, accepted)

with running(begin) as (loop, call):
    code_of(call, 60)
loop.start(taken[0], receive_message(), print)
print("alive")
"""


def test_a_batch_that_comes_too_late_does_not_end_the_process() -> None:
    """What is started behind the queue's end makes grpcio abort."""
    ran = subprocess.run(
        [sys.executable, "-c", _TOO_LATE], check=False, capture_output=True, text=True, timeout=60
    )

    assert (ran.returncode, ran.stdout) == (0, "alive\n")
