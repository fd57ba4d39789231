from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from headrace.contract.clock import Clock
from headrace.contract.errors import InvalidArgumentError, PortTakenError, ServerError
from headrace.contract.status import Status
from headrace.serving.client import FeatureClient
from headrace.serving.settings import Limits, StoreSettings
from headrace.serving.transports.methods import REFLECTION_SERVICES, SERVICE
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.running import Gate, patiently, served, settings

pytestmark = pytest.mark.server

SPEND = "household_spend:spend_30d"
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@pytest.fixture(params=["lean", "aio"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(valkey_url: str, transport: str) -> Iterator[str]:
    with served(settings(valkey_url), transport) as address:
        yield address


@pytest.fixture
def channel(server: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server) as made:
        yield made


@pytest.fixture
def spend(publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})


def method(
    channel: grpc.Channel, name: str = "GetOnlineFeatures"
) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    return channel.unary_unary(
        f"/{SERVICE}/{name}", request_serializer=bytes, response_deserializer=bytes
    )


def failure(
    channel: grpc.Channel, raw: bytes, name: str = "GetOnlineFeatures"
) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as failed:
        method(channel, name)(raw, timeout=10)
    return failed.value.code(), failed.value.details() or ""


def health(channel: grpc.Channel, service: str = "") -> HealthCheckResponse:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return check(HealthCheckRequest(service=service), timeout=10)


def watch(channel: grpc.Channel, service: str = "") -> Iterator[HealthCheckResponse]:
    watched = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return iter(watched(HealthCheckRequest(service=service), timeout=30))


def test_bytes_go_in_and_the_stored_row_comes_out(
    publisher: Publisher, channel: grpc.Channel
) -> None:
    stored = publisher.publish(group(), {(1,): (12.5, 3)})[1,]

    assert stored in method(channel)(request([SPEND]), timeout=10)


@pytest.mark.usefixtures("spend")
@pytest.mark.parametrize(
    ("raw", "name", "code"),
    [
        (request(["nobody"]), "GetOnlineFeatures", grpc.StatusCode.NOT_FOUND),
        (request([SPEND], nobody=[1]), "GetOnlineFeatures", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\xff", "GetOnlineFeatures", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\xff", "GetContract", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\xff", "ListFeatureGroups", grpc.StatusCode.INVALID_ARGUMENT),
        (b"", "GetNothing", grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_errors_become_statuses(
    channel: grpc.Channel, raw: bytes, name: str, code: grpc.StatusCode
) -> None:
    assert failure(channel, raw, name)[0] is code


def test_a_failure_of_ours_tells_a_stranger_nothing_but_its_type(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    broken = settings(valkey_url, clock=lambda: Clock(NOW.replace(tzinfo=None)))

    with served(broken, transport) as address, grpc.insecure_channel(address) as channel:
        assert failure(channel, request([SPEND])) == (grpc.StatusCode.INTERNAL, "ValueError")


def test_every_service_is_found_by_reflection(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)

    assert set(database.get_services()) == {SERVICE, "grpc.health.v1.Health", *REFLECTION_SERVICES}
    file = database.FindFileContainingSymbol(SERVICE)
    assert [method.name for method in file.service[0].method] == [
        "GetOnlineFeatures",
        "StreamOnlineFeatures",
        "GetContract",
        "ListFeatureGroups",
    ]


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_is_serving_while_the_store_answers(channel: grpc.Channel, service: str) -> None:
    assert health(channel, service).status == SERVING


def test_the_health_of_a_service_that_is_not_ours_is_unknown(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        health(channel, "nobody.Service")

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert next(watch(channel, "nobody.Service")).status == HealthCheckResponse.SERVICE_UNKNOWN


def test_a_watcher_hears_when_the_store_is_lost_when_it_is_back_and_when_the_server_ends(
    valkey_url: str,
    transport: str,
) -> None:
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url))
        with served(
            settings(gate.url, store=StoreSettings(gate.url, timedelta(milliseconds=100))),
            transport,
        ) as address:
            channel = stack.enter_context(grpc.insecure_channel(address))
            watched = watch(channel)
            heard = [next(watched).status]
            gate.open.clear()
            heard.append(next(watched).status)
            gate.open.set()
            heard.append(next(watched).status)
        heard += [told.status for told in watched]

    assert heard == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]


def test_a_silent_store_is_unavailable_and_the_catalogue_still_answers(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with Gate(valkey_url) as gate:
        quick = settings(gate.url, store=StoreSettings(gate.url, timedelta(milliseconds=100)))
        with served(quick, transport) as address, FeatureClient(address) as client:
            client.get_online_features([SPEND], entities={"household_id": [1]})
            gate.open.clear()

            with pytest.raises(ServerError) as failed:
                client.get_online_features([SPEND], entities={"household_id": [1]})
            listed = client.list_feature_groups()
            contracts = client.get_contracts([SPEND])
            gate.open.set()
            healed = patiently(
                lambda: client.get_online_features([SPEND], entities={"household_id": [1]})
            )

    assert failed.value.code == "UNAVAILABLE"
    assert "the store at redis://127.0.0.1:" in failed.value.reason
    assert (listed[0].name, contracts[0].name) == ("household_spend", "household_spend")
    assert healed.statuses.tolist() == [[Status.PRESENT]]


def test_a_call_over_the_limit_is_refused_at_once_and_the_open_one_answered(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url))
        address = stack.enter_context(served(settings(gate.url, limits=Limits(calls=1)), transport))
        channel = stack.enter_context(grpc.insecure_channel(address))
        gate.open.clear()
        held = method(channel).future(request([SPEND]), timeout=10)
        gate.holding.wait()
        refused, _ = failure(channel, request([SPEND]))
        gate.open.set()
        answered = held.result()

    assert refused is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answered


def test_a_port_that_is_taken_is_named(server: str, valkey_url: str, transport: str) -> None:
    with (
        pytest.raises(PortTakenError, match=f"{server} is in use"),
        served(settings(valkey_url, bind=server), transport),
    ):
        pass


@pytest.mark.parametrize("bind", ["127.0.0.1", "nowhere.invalid:0", "127.0.0.1:99999999"])
def test_an_address_that_is_none_is_refused(valkey_url: str, transport: str, bind: str) -> None:
    with (
        pytest.raises(InvalidArgumentError, match="--bind"),
        served(settings(valkey_url, bind=bind), transport),
    ):
        pass
