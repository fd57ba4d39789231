"""What grpcio asks of whoever drives it, and does not say when it is broken.

Two writes at once, two reads at once, a write behind the status: it takes them, answers with a code
that nobody sees, and a call is never ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, cast

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types
from hypothesis import given
from hypothesis import strategies as st

from headrace.serving.observing import UNOBSERVED, Observer
from headrace.serving.reading import Reading
from headrace.serving.settings import StoreSettings
from headrace.serving.store.engine import Engine
from headrace.serving.transports.abandoned import AbandonedCalls
from headrace.serving.transports.lean_calls import Shared, UnaryCall
from headrace.serving.transports.lean_loop import Accepted, LeanLoop
from headrace.serving.transports.lean_streams import Stream
from headrace.tests.serving.transports.calling import Counting

_KINDS = {
    cygrpc.SendMessageOperation: "write",
    cygrpc.SendStatusFromServerOperation: "status",
    cygrpc.ReceiveMessageOperation: "read",
    cygrpc.ReceiveCloseOnServerOperation: "close",
}


class Peer:
    """A call, as grpcio hands it over."""

    def peer(self) -> bytes:
        """Where it comes from."""
        return b"ipv4:127.0.0.1:1"


class Driven:
    """A loop that holds what was started, and fails where grpcio would be misused."""

    def __init__(self) -> None:
        """Begin with nothing started."""
        self.open_calls, self.now = 1, 0.0
        self.started: dict[str, Any] = {}
        self._has_status = False

    def start(self, _call: object, batch: tuple[object, ...], tag: object) -> None:
        """Take a batch."""
        kinds = [_KINDS[type(one)] for one in batch if type(one) in _KINDS]
        assert len(kinds) == 1
        (kind,) = kinds
        assert kind not in self.started, f"a second {kind} at once"
        assert not (self._has_status and kind in {"write", "status"}), f"{kind} behind the status"
        assert kind != "status" or "write" not in self.started, (
            "a status before its message is sent"
        )
        self._has_status = self._has_status or kind == "status"
        self.started[kind] = tag

    def start_last(self, _call: object, _batch: object) -> None:
        """Take the batch that ends the call."""
        assert "last" not in self.started, "a call that ends twice"
        self.started["last"] = lambda _: self.ended()

    def ended(self) -> None:
        """Take the end of the call."""
        self.open_calls -= 1

    def happened(self, kind: str, *, message: bytes | None = None, cancelled: bool = False) -> None:
        """Tell of the end of a batch."""
        operation = _Operation(message, cancelled=cancelled)
        self.started.pop(kind)(_Event((operation,)))


class _Operation:
    def __init__(self, message: bytes | None, *, cancelled: bool) -> None:
        self._message, self._cancelled = message, cancelled

    def message(self) -> bytes | None:
        return self._message

    def cancelled(self) -> bool:
        return self._cancelled


class _Event:
    def __init__(self, operations: tuple[_Operation, ...]) -> None:
        self.batch_operations = operations


ACCEPTED = Accepted(Peer(), b"/x/y", inf, ())


@contextmanager
def shared_by(loop: Driven, observer: Observer = UNOBSERVED) -> Iterator[Shared]:
    """What calls of such a loop share."""
    engine = Engine(StoreSettings("redis://127.0.0.1:1"))
    try:
        yield Shared(cast("LeanLoop", loop), engine, observer, AbandonedCalls(10))
    finally:
        engine.close()


@contextmanager
def driven() -> Iterator[tuple[Driven, Stream, list[bytes | None]]]:
    """A stream, the loop that it runs in, and what it received."""
    loop, received = Driven(), list[bytes | None]()
    with shared_by(loop) as shared:
        told = received.append
        yield loop, Stream(shared, ACCEPTED, received=told, closed=lambda: told(b"")), received


def echo(raw: bytes) -> Reading[bytes]:
    """Needs nothing of the store."""
    yield from ()
    return raw


@pytest.mark.parametrize("message", [None, b"too late"])
def test_a_call_whose_message_comes_after_it_was_given_up_has_ended_already(
    message: bytes | None,
) -> None:
    loop, counting = Driven(), Counting()
    with shared_by(loop, counting) as shared:
        call = UnaryCall(shared, ACCEPTED, "Echo", echo)
        call.give_up(10)
        loop.happened("read", message=message)
        loop.happened("last")

    assert loop.open_calls == 0
    assert counting.ended == {("Echo", "DEADLINE_EXCEEDED"): 1}


@given(st.data())
def test_whatever_happens_grpcio_is_never_misused_and_the_call_ends_once(
    data: st.DataObject,
) -> None:
    with driven() as (loop, stream, _):
        for _ in range(data.draw(st.integers(0, 30))):
            match data.draw(st.sampled_from(("write", "read", "end", *loop.started))):
                case "end":
                    stream.end()
                case "write" if "write" not in loop.started or data.draw(st.booleans()):
                    stream.write(b"x")
                case "read" if "read" not in loop.started or data.draw(st.booleans()):
                    stream.read()
                case kind:
                    message = data.draw(st.sampled_from((b"x", None)))
                    loop.happened(kind, message=message, cancelled=data.draw(st.booleans()))
            assert loop.open_calls >= 0
        stream.end()
        while loop.started:
            loop.happened(next(iter(loop.started)))

    assert loop.open_calls == 0


def test_nothing_more_is_read_while_replies_are_owed() -> None:
    with driven() as (loop, stream, received):
        stream.owed = 16
        loop.happened("read", message=b"x")
        is_read = "read" in loop.started
        stream.owed = 15
        stream.read()

    assert received == [b"x"]
    assert not is_read
    assert "read" in loop.started


def test_the_status_is_the_one_of_the_first_end() -> None:
    with driven() as (loop, stream, _):
        stream.write(b"x")
        stream.end(grpc.StatusCode.OK)
        stream.end(grpc.StatusCode.INTERNAL, "a second one")
        stream.write(b"y")
        loop.happened("write")

        assert set(loop.started) == {"close", "read", "status"}
        assert not stream.unsent
