"""More at once than a server takes: some are answered, the others are told so, all of them soon."""

from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

import grpc
import pytest

from headrace.serving.settings import Limits, StoreSettings
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.running import Gate, served, settings
from headrace.tests.serving.transports.calling import (
    SERVING,
    SPEND,
    Counting,
    health,
    message,
    method,
    stream,
    wait_until,
)

pytestmark = pytest.mark.server

ROWS = b"{"


def test_a_burst_over_the_limit_is_answered_or_refused_by_name_and_nothing_else(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    options, counting = [("grpc.use_local_subchannel_pool", 1)], Counting()
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url, holds=ROWS))
        store = StoreSettings(gate.url, timedelta(seconds=60))
        chosen = settings(gate.url, store=store, limits=Limits(calls=50))
        address = stack.enter_context(served(chosen, transport, counting))
        channels = [
            stack.enter_context(grpc.insecure_channel(address, options=options)) for _ in range(4)
        ]
        for channel in channels:
            assert health(channel).status == SERVING
        gate.open.clear()
        calls = [
            method(channels[number % 4]).future(request([SPEND]), timeout=60)
            for number in range(800)
        ]
        wait_until(lambda: sum(call.done() for call in calls) >= 750)
        checked = health(channels[0]).status
        gate.open.set()
        ended = Counter((call.code(), call.details()) for call in calls)
        again = method(channels[0])(request([SPEND]), timeout=30)

    refused = "this server: the limit of 50 open calls is reached; try again later"
    assert ended == {
        (grpc.StatusCode.OK, ""): 50,
        (grpc.StatusCode.RESOURCE_EXHAUSTED, refused): 750,
    }
    assert checked == SERVING
    assert again
    assert counting.ended == {
        ("GetOnlineFeatures", "OK"): 51,
        ("GetOnlineFeatures", "RESOURCE_EXHAUSTED"): 750,
    }


def test_what_the_store_has_no_time_for_is_refused_and_what_waits_is_answered(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url, holds=ROWS))
        store = StoreSettings(gate.url, timedelta(seconds=30), flights=1, waiting_readings=5)
        chosen = settings(gate.url, store=store, refresh_every=timedelta(hours=1))
        address = stack.enter_context(served(chosen, transport))
        channel = stack.enter_context(grpc.insecure_channel(address))
        gate.open.clear()
        held = [method(channel).future(request([SPEND]), timeout=30)]
        gate.holding.wait()
        held += [method(channel).future(request([SPEND]), timeout=30) for _ in range(20)]
        wait_until(lambda: sum(call.done() for call in held) == 15)
        replies = list(stream(channel)(iter([message(1, request([SPEND]))]), timeout=30))
        gate.open.set()
        ended = Counter(call.code() for call in held)

    assert ended == {grpc.StatusCode.OK: 6, grpc.StatusCode.RESOURCE_EXHAUSTED: 15}
    assert [reply.error.code for reply in replies] == [grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]]
