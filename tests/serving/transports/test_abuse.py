"""Callers that mean harm, and honest ones that are served meanwhile."""

import gc
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from headrace.serving.settings import Limits
from headrace.serving.transports.lean_calls import UnaryCall
from headrace.serving.transports.methods import SERVICE
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import NOW
from headrace.tests.serving.running import ServerProcess, served, server_process, settings
from headrace.tests.serving.transports.calling import (
    SPEND,
    Counting,
    failure,
    method,
    wait_until,
)
from headrace.tests.serving.transports.http2 import Connection

pytestmark = pytest.mark.server

LOOKUP = f"/{SERVICE}/GetOnlineFeatures"
STREAM = f"/{SERVICE}/StreamOnlineFeatures"


@pytest.mark.usefixtures("spend")
@pytest.mark.parametrize("path", [LOOKUP, STREAM])
def test_streams_of_headers_alone_are_ended_and_their_places_are_free_again(
    valkey_url: str, path: str
) -> None:
    """By the lean transport; the public one has no means to notice them."""
    counting = Counting()
    limits = Limits(calls=20, streams=20, message_wait=timedelta(milliseconds=200))
    with (
        served(settings(valkey_url, limits=limits), "lean", counting) as address,
        Connection(address) as slow,
        grpc.insecure_channel(address) as channel,
    ):
        slow.begin(path, 20)

        def all_were_ended() -> bool:
            slow.take()
            return slow.resets + slow.trailers >= 20

        wait_until(all_were_ended)
        answered = method(channel)(request([SPEND]), timeout=10)

    assert answered


@pytest.mark.usefixtures("spend")
@pytest.mark.parametrize("path", [LOOKUP, "/grpc.health.v1.Health/Check"])
def test_a_call_that_is_closed_without_a_message_is_refused_at_once(
    valkey_url: str, path: str
) -> None:
    limits = Limits(message_wait=timedelta(hours=1))
    counting = Counting()
    with (
        served(settings(valkey_url, limits=limits), "lean", counting) as address,
        Connection(address) as closing,
    ):
        closing.begin_and_close(path)

        def was_ended() -> bool:
            closing.take()
            return closing.trailers == 1

        wait_until(was_ended)

    # Questions about health are nobody's calls for features.
    of_features = {("GetOnlineFeatures", "INVALID_ARGUMENT"): 1}
    assert counting.ended == (of_features if path == LOOKUP else {})


@pytest.mark.usefixtures("spend")
def test_who_abandons_call_after_call_is_refused_and_others_on_the_same_host_are_not(
    valkey_url: str,
) -> None:
    limits = Limits(abandoned=10, message_wait=timedelta(milliseconds=100))
    counting = Counting()
    with (
        served(settings(valkey_url, limits=limits), "lean", counting) as address,
        Connection(address) as slow,
        grpc.insecure_channel(address) as channel,
    ):
        slow.begin(LOOKUP, 10)
        wait_until(lambda: counting.ended["GetOnlineFeatures", "DEADLINE_EXCEEDED"] == 10)
        # From now on its headers alone are enough to be refused, and so are whole calls.
        slow.begin(LOOKUP, 3, message=request([SPEND]))
        slow.trailers = 0

        def three_were_refused() -> bool:
            slow.take()
            return slow.trailers >= 3

        wait_until(three_were_refused)
        answered = method(channel)(request([SPEND]), timeout=10)

    assert answered
    assert counting.ended["GetOnlineFeatures", "OK"] == 1


@pytest.mark.usefixtures("spend")
def test_an_address_that_abandons_calls_on_one_connection_after_another_is_refused_as_a_whole(
    valkey_url: str,
) -> None:
    limits = Limits(abandoned=5, message_wait=timedelta(milliseconds=100))
    refused = (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "this peer: the limit of 50 abandoned calls a minute is reached; try again later",
    )
    with ExitStack() as stack:
        address = stack.enter_context(served(settings(valkey_url, limits=limits), "lean"))
        channel = stack.enter_context(grpc.insecure_channel(address))

        def is_refused() -> bool:
            slow = stack.enter_context(Connection(address))
            slow.begin(LOOKUP, 5)
            try:
                method(channel)(request([SPEND]), timeout=10)
            except grpc.RpcError as error:
                return (error.code(), error.details()) == refused
            return False

        wait_until(is_refused)


@pytest.mark.usefixtures("spend")
def test_a_socket_may_waste_what_many_connections_may(valkey_url: str, tmp_path: Path) -> None:
    """Connections of a unix socket have no names: one is not to be taken for all."""
    chosen = settings(valkey_url, bind=f"unix:{tmp_path}/s", limits=Limits(abandoned=5))
    with served(chosen, "lean") as address, grpc.insecure_channel(address) as channel:
        calls: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(LOOKUP)

        def abandon(count: int) -> None:
            for _ in range(count):
                with pytest.raises(grpc.RpcError):
                    calls(iter([]), timeout=30)

        abandon(10)
        answered = method(channel)(request([SPEND]), timeout=10)
        abandon(50)
        code, text = failure(channel, request([SPEND]))

    assert answered
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "this peer: the limit of 50 abandoned calls a minute is reached" in text


@pytest.fixture
def process(valkey_url: str, tmp_path: Path, transport: str) -> Iterator[ServerProcess]:
    variables = {
        "HEADRACE_REDIS": valkey_url,
        "HEADRACE_HOME": str(tmp_path),
        "HEADRACE_CLOCK": NOW.isoformat(),
        "HEADRACE_SERVE_LIMITS_ABANDONED": "1000000",  # so that nobody is refused for it
    }
    with server_process("127.0.0.1:0", "--transport", transport, **variables) as server:
        yield server


def resident_megabytes(server: ServerProcess) -> float:
    """The memory of a server."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def descriptors(server: ServerProcess) -> int:
    """The open files of a server."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def look_up(channel: grpc.Channel) -> float:
    """Seconds until a lookup is answered, or refused because there is too much to do."""
    started = time.monotonic()
    try:
        method(channel)(request([SPEND]), timeout=30)
    except grpc.RpcError as error:
        assert error.code() in {  # noqa: PT017  # what may be said to honest callers meanwhile
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.CANCELLED,
        }
    return time.monotonic() - started


def is_answered(channel: grpc.Channel) -> bool:
    """Whether a lookup is answered."""
    try:
        return bool(method(channel)(request([SPEND]), timeout=30))
    except grpc.RpcError:
        return False


@pytest.mark.slow
@pytest.mark.usefixtures("spend")
def test_rapid_resets_leave_memory_bounded_and_honest_callers_answered(
    process: ServerProcess,
) -> None:
    with grpc.insecure_channel(process.address) as channel:
        look_up(channel)
        before = resident_megabytes(process)
        worst = 0.0
        for _ in range(4):
            with Connection(process.address) as burst:
                for _ in range(60):
                    burst.begin_and_reset(LOOKUP, 500)
                    burst.take()
                worst = max(worst, look_up(channel))
        grown = resident_megabytes(process) - before
        wait_until(lambda: is_answered(channel))

    assert worst < 10
    assert grown < 250


@pytest.mark.slow
@pytest.mark.usefixtures("spend")
def test_cancelled_calls_are_all_forgotten(process: ServerProcess) -> None:
    """What the first half leaves behind, the second half uses again."""
    with grpc.insecure_channel(process.address) as channel:

        def cancel(count: int) -> float:
            with Connection(process.address) as burst:
                for _ in range(count // 100):
                    begun = burst.begin(LOOKUP, 100, message=request([SPEND]))
                    burst.reset(begun)
                    burst.take()
            look_up(channel)
            return resident_megabytes(process)

        settled = cancel(20_000)
        after = cancel(20_000)

    assert after - settled < 30


@pytest.mark.slow
@pytest.mark.usefixtures("spend")
def test_a_thousand_connections_are_held_and_ten_thousand_come_and_go(
    process: ServerProcess,
) -> None:
    with grpc.insecure_channel(process.address) as channel:
        look_up(channel)
        before = descriptors(process)
        held = [Connection(process.address) for _ in range(1_000)]
        wait_until(lambda: descriptors(process) >= before + 1_000)
        while_held = look_up(channel)
        for connection in held:
            connection.take()
            connection.__exit__()
        for number in range(10_000):
            with Connection(process.address) as passing:
                if number % 2:
                    passing.begin(LOOKUP, 1, message=request([SPEND]))
        wait_until(lambda: descriptors(process) <= before + 5)
        # Calls of connections that are gone count until the server has seen that they are.
        wait_until(lambda: _is_answered(channel))

    assert while_held < 10


def _is_answered(channel: grpc.Channel) -> bool:
    try:
        return bool(method(channel)(request([SPEND]), timeout=30))
    except grpc.RpcError as error:
        # The second is grpcio's own word for a server that is asked too much.
        if error.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED}:
            return False
        raise


@pytest.mark.usefixtures("spend")
def test_a_call_leaves_nothing_to_the_garbage_collector(valkey_url: str) -> None:
    """Until its object is gone, grpcio keeps a stream's place on the connection."""
    gc.collect()
    gc.disable()
    try:
        with (
            served(settings(valkey_url), "lean") as address,
            grpc.insecure_channel(address) as channel,
        ):
            for _ in range(5):
                method(channel)(request([SPEND]), timeout=10)

            wait_until(lambda: not any(type(one) is UnaryCall for one in gc.get_objects()))
    finally:
        gc.enable()
