"""`StreamOnlineFeatures`, the same by every transport, in plaintext and over mutual TLS."""

import queue
from collections.abc import Iterator
from datetime import timedelta

import grpc
import pytest

from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.settings import Limits
from headrace.serving.transports.methods import SERVICE
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.transports.calling import (
    SPEND,
    Counting,
    message,
    method,
    stream,
    wait_until,
)
from headrace.tests.serving.transports.conftest import Place

pytestmark = pytest.mark.server

ROWS = b"{"
NOT_FOUND, INVALID_ARGUMENT, UNAVAILABLE = (
    code.value[0]
    for code in (
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAVAILABLE,
    )
)


class Asking:
    """The requests of a stream, given one by one; `close` closes the client's side."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self._asked: queue.SimpleQueue[pb.StreamOnlineFeaturesRequest | None] = queue.SimpleQueue()
        self.taken = 0

    def ask(self, asked: pb.StreamOnlineFeaturesRequest) -> None:
        """Send one."""
        self._asked.put(asked)

    def close(self) -> None:
        """Send no more."""
        self._asked.put(None)

    def __iter__(self) -> Iterator[pb.StreamOnlineFeaturesRequest]:
        """What grpc sends."""
        while (asked := self._asked.get()) is not None:
            self.taken += 1
            yield asked


def raw_stream(channel: grpc.Channel, *messages: bytes) -> list[pb.StreamOnlineFeaturesResponse]:
    """The replies to messages that no client would make."""
    call = channel.stream_stream(
        f"/{SERVICE}/StreamOnlineFeatures",
        request_serializer=bytes,
        response_deserializer=pb.StreamOnlineFeaturesResponse.FromString,
    )
    return list(call(iter(messages), timeout=10))


@pytest.mark.usefixtures("spend")
def test_every_reply_carries_the_id_of_its_request_and_the_answer_of_the_call(
    channel: grpc.Channel,
) -> None:
    asked = {
        1: request([SPEND], household_id=[1]),
        2: request([SPEND], household_id=[2, 1]),
        2**64 - 1: request(["household_spend"]),
    }

    replies = {
        reply.id: reply
        for reply in stream(channel)(
            (message(number, raw) for number, raw in asked.items()), timeout=10
        )
    }

    assert replies.keys() == asked.keys()
    for number, raw in asked.items():
        expected = pb.GetOnlineFeaturesResponse.FromString(method(channel)(raw, timeout=10))
        assert replies[number].response == expected


@pytest.mark.usefixtures("spend")
def test_a_bad_message_is_answered_by_an_error_and_does_not_end_the_stream(
    channel: grpc.Channel,
) -> None:
    good = message(3, request([SPEND])).SerializeToString()
    unknown = message(2, request(["nobody"])).SerializeToString()
    broken_inside = b"\x08\x09\x12\x01\xff"  # id 9, and a request that is none

    replies = {
        reply.id: reply for reply in raw_stream(channel, b"\xff", unknown, broken_inside, good, b"")
    }
    empty = raw_stream(channel, b"")

    assert replies.keys() == {0, 2, 3, 9}
    assert replies[2].error.code == NOT_FOUND
    assert "there is no published feature group 'nobody'" in replies[2].error.message
    assert replies[9].error.code == INVALID_ARGUMENT
    assert replies[0].error.code == INVALID_ARGUMENT
    assert len(replies[3].response.groups[0].rows) == 1
    assert [reply.error.code for reply in empty] == [INVALID_ARGUMENT]


@pytest.mark.usefixtures("spend")
def test_a_stream_answers_while_it_is_open(channel: grpc.Channel) -> None:
    asking = Asking()
    replies = iter(stream(channel)(iter(asking), timeout=20))

    for number in range(50):
        asking.ask(message(number, request([SPEND])))
        assert next(replies).id == number

    asking.close()
    assert list(replies) == []


def test_what_was_asked_before_the_client_closed_its_side_is_still_answered(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with place.behind_a_gate(valkey_url) as (gate, channel):
        gate.open.clear()
        replies = stream(channel)(
            iter([message(number, request([SPEND])) for number in range(3)]), timeout=20
        )
        gate.holding.wait()
        gate.open.set()

        assert sorted(reply.id for reply in replies) == [0, 1, 2]
        assert replies.code() is grpc.StatusCode.OK


def test_while_sixteen_replies_are_due_nothing_more_is_read(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    """Were more read, more would wait for the store than may, and be refused."""
    publisher.publish(group(), {(1,): (12.5, 3)})
    few = {"flights": 1, "waiting_readings": 20}
    with place.behind_a_gate(valkey_url, store=few) as (gate, channel):
        gate.open.clear()
        asking = Asking()
        replies = stream(channel)(iter(asking), timeout=30)
        for number in range(200):
            asking.ask(message(number, request([SPEND])))
        asking.close()
        gate.holding.wait()
        wait_until(lambda: asking.taken == 200)
        # It comes after them on the same connection: they have arrived when it is answered.
        method(channel, "ListFeatureGroups")(b"", timeout=10)
        gate.open.set()
        outcomes = {reply.id: reply.WhichOneof("outcome") for reply in replies}

    assert outcomes == dict.fromkeys(range(200), "response")


def test_a_cancelled_stream_is_noticed_and_its_place_is_free_again(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    only_one, counting = Limits(streams=1), Counting()
    with place.behind_a_gate(valkey_url, limits=only_one, observer=counting) as (gate, channel):
        gate.open.clear()
        asking = Asking()
        first = stream(channel)(iter(asking), timeout=20)
        asking.ask(message(1, request([SPEND])))
        gate.holding.wait()
        second = stream(channel)(iter([message(1, request([SPEND]))]), timeout=20)
        with pytest.raises(grpc.RpcError) as refused:
            next(second)
        refusals = counting.ended["StreamOnlineFeatures", "RESOURCE_EXHAUSTED"]
        first.cancel()
        asking.close()
        gate.open.set()

        def is_let_in() -> bool:
            third = stream(channel)(iter([message(5, request([SPEND]))]), timeout=20)
            try:
                return [reply.id for reply in third] == [5]
            except grpc.RpcError:
                return False

        wait_until(is_let_in)

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "the limit of 1 open streams is reached" in (refused.value.details() or "")
    assert refusals == 1


def test_rows_of_a_cancelled_stream_are_never_read(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    counting = Counting()
    with place.behind_a_gate(
        valkey_url,
        limits=Limits(streams=1),
        store={"flights": 1},
        observer=counting,
        refresh_every=timedelta(hours=1),
    ) as (gate, channel):
        gate.open.clear()
        held = method(channel).future(request([SPEND]), timeout=20)
        gate.holding.wait()
        before, asking = counting.keys, Asking()
        first = stream(channel)(iter(asking), timeout=20)
        asking.ask(message(1, request([SPEND], household_id=[1, 2, 3])))
        # It comes after the message on the same connection, and tells when that has been taken.
        asking.ask(message(2, b""))
        assert next(first).id == 2
        first.cancel()
        asking.close()
        wait_until(lambda: is_let_in(channel))
        gate.open.set()
        held.result()
        method(channel)(request([SPEND]), timeout=20)  # what waited was sent before it
        read = counting.keys - before

    assert read == 4  # the row of the call that was held, that of the next one, and their guards


def is_let_in(channel: grpc.Channel) -> bool:
    """Whether a stream that asks nothing is."""
    try:
        return not list(stream(channel)(iter([]), timeout=20))
    except grpc.RpcError:
        return False


def test_without_the_store_every_request_of_a_stream_is_unavailable(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with place.behind_a_gate(valkey_url, seconds=0.1) as (gate, channel):
        gate.open.clear()
        replies = list(
            stream(channel)(iter([message(n, request([SPEND])) for n in (1, 2)]), timeout=20)
        )
        gate.open.set()

    assert {reply.id: reply.error.code for reply in replies} == {1: UNAVAILABLE, 2: UNAVAILABLE}


@pytest.mark.usefixtures("spend")
def test_a_slow_reader_holds_nobody_up(channel: grpc.Channel, server: str, place: Place) -> None:
    """It asks for 100 MB, reads one message of it, and others are served meanwhile."""
    large = request([SPEND], household_id=[1] * 10_000)
    asking = Asking()
    slow = stream(channel)(iter(asking), timeout=60)
    for number in range(300):
        asking.ask(message(number, large))
    asking.close()
    next(iter(slow))
    with place.channel(server) as other:
        for _ in range(20):
            method(other)(request([SPEND]), timeout=10)
    slow.cancel()
