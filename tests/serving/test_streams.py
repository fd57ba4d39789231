"""Many lookups over one call: in order, each with its own error, and through what breaks off."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self, TypeAlias

import pytest

from headrace.contract.errors import (
    HeadraceError,
    InvalidArgumentError,
    InvalidEntityError,
    RefusedRequestError,
    ServerError,
)
from headrace.serving.client import AsyncFeatureClient, FeatureClient
from headrace.serving.entity_columns import Entities
from headrace.serving.streamed import StreamedAnswer
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.running import served, settings

pytestmark = pytest.mark.server

SPEND = "household_spend:spend_30d"
Stream: TypeAlias = Callable[..., list[StreamedAnswer]]


def by_sync(address: str, batches: Iterable[Entities], **asked: Any) -> list[StreamedAnswer]:  # noqa: ANN401  # whatever the method takes
    with FeatureClient(address) as client:
        return list(client.stream_online_features(entities=batches, **asked))


def by_async(address: str, batches: Iterable[Entities], **asked: Any) -> list[StreamedAnswer]:  # noqa: ANN401  # as above
    async def slowly() -> AsyncIterator[Entities]:
        for batch in batches:
            await asyncio.sleep(0)
            yield batch

    async def main() -> list[StreamedAnswer]:
        async with AsyncFeatureClient(address) as client:
            stream = client.stream_online_features(entities=slowly(), **asked)
            return [outcome async for outcome in stream]

    return asyncio.run(main())


BOTH = pytest.mark.parametrize("stream", [by_sync, by_async])


def spends(outcomes: Iterable[StreamedAnswer]) -> list[list[object]]:
    return [
        [each["household_spend__spend_30d"] for each in outcome.result().to_dicts()]
        for outcome in outcomes
    ]


class Cable:
    """A TCP port before a server, whose connections can be cut."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sockets.append(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Close every connection; new ones are taken."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += (client, server)
                for pair in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._pump, args=pair)
                    self._threads.append(thread)
                    thread.start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                target.sendall(received)


@BOTH
@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_every_batch_is_answered_in_its_place(
    stream: Stream, transport: str, publisher: Publisher, valkey_url: str
) -> None:
    publisher.publish(group(), {(number,): (number / 2, 1) for number in range(100)})
    batches = [{"household_id": [number, 1_000, number]} for number in range(100)]

    with served(settings(valkey_url), transport) as address:
        outcomes = stream(address, batches, features=[SPEND])

    assert [outcome.place for outcome in outcomes] == list(range(100))
    assert spends(outcomes) == [[number / 2, None, number / 2] for number in range(100)]


@BOTH
def test_a_bad_batch_is_refused_alone(stream: Stream, publisher: Publisher, server: str) -> None:
    """By the client where it can tell, by the server where only that can."""
    publisher.publish(group(), {(1,): (12.5, 3)})
    good: Entities = {"household_id": [1]}
    mistyped: Entities = {"household_id": ["1"]}
    too_many: Entities = {"household_id": range(10_001)}

    outcomes = stream(server, [good, mistyped, good, too_many, good], features=[SPEND])

    errors = [type(outcome.error) for outcome in outcomes]
    nothing = type(None)
    assert errors == [nothing, InvalidEntityError, nothing, RefusedRequestError, nothing]
    assert spends(outcome for outcome in outcomes if outcome.error is None) == [[12.5]] * 3
    with pytest.raises(RefusedRequestError, match="10001 entities"):
        outcomes[3].result()


@BOTH
def test_a_stream_of_nothing_is_empty(stream: Stream, server: str) -> None:
    assert stream(server, [], features=[SPEND]) == []


@BOTH
def test_a_service_that_changes_meanwhile_is_followed(
    stream: Stream, publisher: Publisher, server: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    publisher.register_service("coupon_redemption", [SPEND])

    def batches() -> Iterator[Entities]:
        for number in range(60):
            if number == 20:
                publisher.register_service("coupon_redemption", ["household_spend:baskets_7d"])
                publisher.publish(group("canary"), {})
                with FeatureClient(server) as other:
                    other.get_contracts(["canary"])  # the server has read the newest catalogue
            yield {"household_id": [1]}

    outcomes = stream(server, batches(), feature_service="coupon_redemption")

    names = [outcome.result().feature_names for outcome in outcomes]
    assert (names[0], names[-1]) == (
        ["household_spend__spend_30d"],
        ["household_spend__baskets_7d"],
    )
    assert [outcome.result().to_numpy().tolist() for outcome in outcomes] == [
        [[12.5]] if name == ["household_spend__spend_30d"] else [[3.0]] for name in names
    ]


@BOTH
def test_a_call_that_breaks_off_is_made_again(
    stream: Stream, publisher: Publisher, server: str
) -> None:
    publisher.publish(group(), {(number,): (float(number), 1) for number in range(60)})

    with Cable(server) as cable:

        def batches() -> Iterator[Entities]:
            for number in range(60):
                if number in {20, 40}:
                    cable.cut()
                yield {"household_id": [number]}

        outcomes = stream(cable.address, batches(), features=[SPEND])

    assert spends(outcomes) == [[float(number)] for number in range(60)]


def test_a_stream_lasts_longer_than_one_request_may_wait(publisher: Publisher, server: str) -> None:
    """Its calls have deadlines; only requests that waited as long end it."""
    publisher.publish(group(), {(1,): (12.5, 3)})
    begun = threading.Event()

    def batches() -> Iterator[Entities]:
        for _ in range(3):
            begun.wait(0.25)
            yield {"household_id": [1]}

    with FeatureClient(server, timeout=timedelta(milliseconds=400)) as client:
        client.get_contracts([SPEND])
        outcomes = list(client.stream_online_features([SPEND], entities=batches()))

    assert spends(outcomes) == [[12.5]] * 3


@BOTH
def test_a_server_that_is_gone_ends_the_stream(stream: Stream, publisher: Publisher) -> None:
    assert publisher

    with pytest.raises(ServerError, match="UNAVAILABLE"):
        stream("127.0.0.1:1", [{"household_id": [1]}], features=[SPEND])


def test_what_cannot_be_asked_is_refused_before_the_first_batch(server: str) -> None:
    with FeatureClient(server) as client, pytest.raises(InvalidArgumentError, match="neither"):
        client.stream_online_features(entities=[])


def test_a_stream_that_nobody_reads_on_is_ended(publisher: Publisher, server: str) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    batches: list[Entities] = [{"household_id": [1]}] * 50

    with FeatureClient(server) as client:
        stream = client.stream_online_features([SPEND], entities=batches)
        first = next(stream)
        stream.close()  # type: ignore[attr-defined]  # it is a generator
        again = client.get_online_features([SPEND], entities=batches[0])

    assert isinstance(first, StreamedAnswer)
    assert not isinstance(first.error, HeadraceError)
    assert again.to_dicts() == first.result().to_dicts()
