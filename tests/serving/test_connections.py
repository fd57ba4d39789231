"""What clients do when servers fail, and what every call of theirs carries."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeAlias

import grpc
import pytest
import trustme

from headrace.contract.errors import InvalidArgumentError, ServerError
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.client import AsyncFeatureClient, FeatureClient

pytestmark = pytest.mark.server

METHOD = "/headrace.v1.FeatureService/ListFeatureGroups"
UNAVAILABLE, CANCELLED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED
ANSWER = pb.ListFeatureGroupsResponse(
    feature_groups=[pb.FeatureGroupSummary(name="household_spend", version=1)]
)


class Flaky:
    """A server that answers one method, after as many failures as it is told."""

    def __init__(self, *failures: grpc.StatusCode, always: grpc.StatusCode | None = None) -> None:
        self._failures, self._always = list(failures), always
        self.peers = Counter[str]()
        self.metadata: list[tuple[str, object]] = []
        self.open, self.waiting = threading.Event(), threading.Event()
        self.open.set()

    @property
    def calls(self) -> int:
        return self.peers.total()

    def answer(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        self.peers[context.peer()] += 1
        self.metadata += [(key, value) for key, value in context.invocation_metadata()]
        self.waiting.set()
        self.open.wait()
        code = self._failures.pop(0) if self._failures else self._always
        if code is not None:
            context.abort(code, "for a test")
        return ANSWER.SerializeToString()

    @contextmanager
    def served(self, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
        """Answer on a port of its own; the address."""
        with ThreadPoolExecutor(4) as pool:
            server = grpc.server(pool)
            method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
                self.answer
            )
            service, _, name = METHOD[1:].partition("/")
            handler = grpc.method_handlers_generic_handler(service, {name: method})
            server.add_generic_rpc_handlers((handler,))
            port = (
                server.add_insecure_port("127.0.0.1:0")
                if credentials is None
                else server.add_secure_port("127.0.0.1:0", credentials)
            )
            server.start()
            try:
                yield f"127.0.0.1:{port}"
            finally:
                self.open.set()
                server.stop(None).wait()


def names_by_async(address: str, **options: float) -> list[str]:
    """The names that the async client is given."""

    async def main() -> list[str]:
        async with AsyncFeatureClient(address, **options) as client:  # type: ignore[arg-type]  # retries alone
            return [each.name for each in await client.list_feature_groups()]

    return asyncio.run(main())


def names_by_sync(address: str, **options: float) -> list[str]:
    """The names that the other client is given."""
    with FeatureClient(address, **options) as client:  # type: ignore[arg-type]  # as above
        return [each.name for each in client.list_feature_groups()]


Names: TypeAlias = Callable[..., list[str]]
BOTH = pytest.mark.parametrize("names", [names_by_sync, names_by_async])


@BOTH
@pytest.mark.parametrize("code", [UNAVAILABLE, CANCELLED])
def test_a_call_that_failed_for_a_moment_is_made_again(names: Names, code: grpc.StatusCode) -> None:
    flaky = Flaky(code, code)

    with flaky.served() as address:
        assert names(address) == ["household_spend"]

    assert flaky.calls == 3


@BOTH
@pytest.mark.parametrize(
    "code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED]
)
def test_a_call_that_the_server_has_no_room_or_time_for_is_not(
    names: Names, code: grpc.StatusCode
) -> None:
    flaky = Flaky(code)

    with flaky.served() as address, pytest.raises(ServerError, match=code.name):
        names(address)

    assert flaky.calls == 1


@BOTH
def test_without_retries_every_call_is_made_once(names: Names) -> None:
    flaky = Flaky(UNAVAILABLE)

    with flaky.served() as address, pytest.raises(ServerError, match="UNAVAILABLE"):
        names(address, retries=0)

    assert flaky.calls == 1


def test_a_server_that_is_down_is_asked_little_more_often_than_callers_ask() -> None:
    flaky, asked = Flaky(always=UNAVAILABLE), 60
    with flaky.served() as address, FeatureClient(address) as client:
        begun = time.monotonic()
        for _ in range(asked):
            with pytest.raises(ServerError):
                client.list_feature_groups()
        seconds = time.monotonic() - begun

    assert flaky.calls > asked
    assert flaky.calls <= asked + 10 + 0.1 * asked + seconds + 1


def test_a_deadline_holds_for_all_that_a_caller_waits_for() -> None:
    flaky = Flaky()
    flaky.open.clear()
    with (
        flaky.served() as address,
        FeatureClient(address, timeout=timedelta(milliseconds=300)) as client,
        pytest.raises(ServerError, match="DEADLINE_EXCEEDED"),
    ):
        client.list_feature_groups()

    assert flaky.calls == 1


def test_closing_a_client_ends_its_calls_for_good() -> None:
    flaky = Flaky()
    flaky.open.clear()
    with flaky.served() as address, ThreadPoolExecutor(1) as pool:
        client = FeatureClient(address)
        call = pool.submit(client.list_feature_groups)
        flaky.waiting.wait()

        client.close()

        with pytest.raises(ServerError, match="CANCELLED"):
            call.result()

    assert flaky.calls == 1


def test_a_task_that_is_cancelled_does_not_call_again() -> None:
    flaky = Flaky()
    flaky.open.clear()

    async def main(address: str) -> None:
        async with AsyncFeatureClient(address) as client:
            call = asyncio.create_task(client.list_feature_groups())
            await asyncio.to_thread(flaky.waiting.wait)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with flaky.served() as address:
        asyncio.run(main(address))

    assert flaky.calls == 1


def test_calls_take_turns_on_connections_of_their_own() -> None:
    flaky = Flaky()

    with flaky.served() as address, FeatureClient(address, channels=3) as client:
        for _ in range(6):
            client.list_feature_groups()

    assert sorted(flaky.peers.values()) == [2, 2, 2]


def test_every_call_says_who_asks() -> None:
    flaky = Flaky()

    with flaky.served() as address, FeatureClient(address, caller="checkout-model") as client:
        client.list_feature_groups()

    assert ("headrace-caller", "checkout-model") in flaky.metadata


def test_a_server_with_mutual_tls_is_reached_with_a_certificate_and_without_it_is_not() -> None:
    ca, flaky = trustme.CA(), Flaky()
    server, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("model@example.org")
    roots = ca.cert_pem.bytes()
    asks = grpc.ssl_server_credentials(
        [(server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())],
        root_certificates=roots,
        require_client_auth=True,
    )
    shows = grpc.ssl_channel_credentials(
        roots, client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
    )
    nobody = grpc.ssl_channel_credentials(roots)

    with flaky.served(asks) as address:
        with FeatureClient(address, credentials=shows) as known:
            assert [each.name for each in known.list_feature_groups()] == ["household_spend"]
        for stranger in (nobody, None):
            with (
                FeatureClient(address, credentials=stranger) as unknown,
                pytest.raises(ServerError, match="UNAVAILABLE"),
            ):
                unknown.list_feature_groups()

    assert flaky.calls == 1


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"caller": "naïve"}, {"caller": ""}])
def test_an_option_that_there_is_none_of_is_refused(wrong: dict[str, object]) -> None:
    (name,) = wrong

    with pytest.raises(InvalidArgumentError, match=name):
        FeatureClient("127.0.0.1:1", **wrong)  # type: ignore[arg-type]  # on purpose


def test_a_closed_client_says_that_it_is_closed() -> None:
    client = FeatureClient("127.0.0.1:1")
    client.close()

    with pytest.raises(ServerError, match="this client is closed"):
        client.list_feature_groups()


def test_a_timeout_of_plain_seconds_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidArgumentError, match=r"timedelta\(seconds=5\)"):
        FeatureClient("127.0.0.1:1", timeout=5)  # type: ignore[arg-type]
