"""How a server ends: what was begun is answered, what would last for ever is ended, in time."""

import queue
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.settings import StoreSettings
from headrace.serving.transports.methods import DRAINING, REFLECTION_SERVICES, SERVICE
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.running import Gate, served, server_process, settings
from headrace.tests.serving.test_main import connects
from headrace.tests.serving.transports.calling import (
    NOT_SERVING,
    SERVING,
    SPEND,
    message,
    method,
    stream,
    wait_until,
    watch,
)
from headrace.tests.serving.transports.http2 import Connection

pytestmark = pytest.mark.server

ROWS = b"{"


class Open:
    """The requests of a stream that its client never closes by itself."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self.asked: queue.SimpleQueue[pb.StreamOnlineFeaturesRequest | None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[pb.StreamOnlineFeaturesRequest]:
        """What grpc sends, until `None`."""
        return iter(self.asked.get, None)


def test_calls_in_flight_are_answered_and_watches_and_streams_are_ended(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url, holds=ROWS))
        pool = stack.enter_context(ThreadPoolExecutor())
        patient = StoreSettings(gate.url, timedelta(seconds=30))
        serving = served(settings(gate.url, store=patient, drain=timedelta(seconds=60)), transport)
        address = serving.__enter__()  # left while it is still talked to
        channel = stack.enter_context(grpc.insecure_channel(address))
        watched = watch(channel)
        heard = [next(watched).status]
        reflecting, asking = Open(), Open()
        reflection: grpc.StreamStreamMultiCallable[Any, bytes] = channel.stream_stream(
            f"/{REFLECTION_SERVICES[0]}/ServerReflectionInfo"
        )
        reflected = reflection(iter(reflecting))
        gate.open.clear()
        streamed = stream(channel)(iter(asking), timeout=60)
        asking.asked.put(message(1, request([SPEND])))
        gate.holding.wait()
        held = method(channel).future(request([SPEND]), timeout=60)
        method(channel, "ListFeatureGroups")(b"", timeout=60)  # later, and so the others are there

        stopped = pool.submit(serving.__exit__, None, None, None)
        started = time.monotonic()
        heard += [told.status for told in watched]
        wait_until(lambda: not connects(address))
        gate.open.set()
        reply = next(streamed)
        with pytest.raises(grpc.RpcError) as ended:
            next(streamed)
        answered = held.result()
        stopped.result()
        waited = time.monotonic() - started
        reflecting.asked.put(None)
        asking.asked.put(None)

        assert heard == [SERVING, NOT_SERVING]
        assert answered
        assert (reply.id, reply.WhichOneof("outcome")) == (1, "response")
        assert (ended.value.code(), ended.value.details()) == (
            grpc.StatusCode.UNAVAILABLE,
            DRAINING,
        )
        assert reflected.code() is not grpc.StatusCode.OK
        assert waited < 30


def test_calls_that_outlast_the_drain_are_cancelled(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url, holds=ROWS))
        patient = StoreSettings(gate.url, timedelta(seconds=60))
        chosen = settings(gate.url, store=patient, drain=timedelta(milliseconds=300))
        with served(chosen, transport) as address:
            channel = stack.enter_context(grpc.insecure_channel(address))
            gate.open.clear()
            held = method(channel).future(request([SPEND]), timeout=60)
            gate.holding.wait()
            started = time.monotonic()
        waited = time.monotonic() - started
        gate.open.set()

        assert held.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert waited < 30


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_a_server_with_hundreds_of_half_open_calls_ends_cleanly_every_time(
    valkey_url: str, tmp_path: Path, transport: str
) -> None:
    """A batch after the queue's shutdown would abort the process, inside grpcio."""
    variables = {
        "HEADRACE_REDIS": valkey_url,
        "HEADRACE_HOME": str(tmp_path),
        "HEADRACE_CLOCK": NOW.isoformat(),
        "HEADRACE_SERVE_DRAIN": "0.5",
    }
    statuses = []
    for _ in range(6):
        with (
            server_process("127.0.0.1:0", "--transport", transport, **variables) as server,
            ExitStack() as stack,
        ):
            for name in ("GetOnlineFeatures", "StreamOnlineFeatures", "GetContract"):
                connection = stack.enter_context(Connection(server.address))
                connection.begin(f"/{SERVICE}/{name}", 150)
            with grpc.insecure_channel(server.address) as channel:
                method(channel, "ListFeatureGroups")(b"", timeout=10)
            server.process.send_signal(signal.SIGTERM)
            statuses.append(server.process.wait(30))

    assert statuses == [0] * 6
