"""The standard services, the same by every transport."""

from contextlib import ExitStack
from datetime import timedelta

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from headrace.contract.errors import ServerError
from headrace.contract.status import Status
from headrace.serving.client import FeatureClient
from headrace.serving.settings import Limits, StoreSettings
from headrace.serving.transports.methods import REFLECTION_SERVICES, SERVICE
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.running import Gate, patiently, served, settings
from headrace.tests.serving.transports.calling import (
    NOT_SERVING,
    SERVING,
    SPEND,
    health,
    wait_until,
    watch,
)

pytestmark = pytest.mark.server


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


@pytest.mark.parametrize("name", REFLECTION_SERVICES)
def test_reflection_answers_every_message_under_both_names_and_refuses_what_is_none(
    channel: grpc.Channel, name: str
) -> None:
    call = channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        request_serializer=bytes,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="nobody"),
    ]

    answers = list(call((one.SerializeToString() for one in asked), timeout=10))
    with pytest.raises(grpc.RpcError) as refused:
        list(call(iter([b"\xff"]), timeout=10))

    assert [answer.WhichOneof("message_response") for answer in answers] == [
        "list_services_response",
        "error_response",
    ]
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_is_serving_while_the_store_answers(channel: grpc.Channel, service: str) -> None:
    assert health(channel, service).status == SERVING


def test_the_health_of_a_service_that_is_not_ours_is_unknown(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        health(channel, "nobody.Service")

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert next(watch(channel, "nobody.Service")).status == HealthCheckResponse.SERVICE_UNKNOWN


@pytest.mark.parametrize("name", ["Check", "Watch"])
def test_a_question_about_health_that_is_none_is_refused(channel: grpc.Channel, name: str) -> None:
    call = channel.unary_stream(
        f"/grpc.health.v1.Health/{name}", request_serializer=bytes, response_deserializer=bytes
    )

    with pytest.raises(grpc.RpcError) as refused:
        list(call(b"\xff", timeout=10))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_watcher_hears_when_the_store_is_lost_when_it_is_back_and_when_the_server_ends(
    valkey_url: str, transport: str
) -> None:
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url))
        quick = StoreSettings(gate.url, timedelta(milliseconds=100))
        with served(settings(gate.url, store=quick), transport) as address:
            channel = stack.enter_context(grpc.insecure_channel(address))
            watched = watch(channel)
            heard = [next(watched).status]
            gate.open.clear()
            heard.append(next(watched).status)
            gate.open.set()
            heard.append(next(watched).status)
        heard += [told.status for told in watched]

    assert heard == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]


def test_a_watch_over_the_limit_is_refused_until_one_has_ended(
    valkey_url: str, transport: str
) -> None:
    chosen = settings(valkey_url, limits=Limits(watches=1))
    with served(chosen, transport) as address, grpc.insecure_channel(address) as channel:
        first = watch(channel)
        heard = next(first).status
        with pytest.raises(grpc.RpcError) as refused:
            next(watch(channel))
        first.cancel()  # type: ignore[attr-defined]  # a call is its own iterator

        def is_let_in() -> bool:
            try:
                return next(watch(channel)).status == SERVING
            except grpc.RpcError:
                return False

        wait_until(is_let_in)

    assert heard == SERVING
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_silent_store_is_unavailable_and_the_catalogue_still_answers(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with Gate(valkey_url) as gate:
        quick = settings(gate.url, store=StoreSettings(gate.url, timedelta(milliseconds=100)))
        with (
            served(quick, transport) as address,
            FeatureClient(address) as client,
            grpc.insecure_channel(address) as channel,
        ):
            client.get_online_features([SPEND], entities={"household_id": [1]})
            gate.open.clear()

            with pytest.raises(ServerError) as failed:
                client.get_online_features([SPEND], entities={"household_id": [1]})
            listed = client.list_feature_groups()
            contracts = client.get_contracts([SPEND])
            checked = health(channel, "").status
            gate.open.set()
            healed = patiently(
                lambda: client.get_online_features([SPEND], entities={"household_id": [1]})
            )

    assert failed.value.code == "UNAVAILABLE"
    assert "the store at redis://127.0.0.1:" in failed.value.reason
    assert (listed[0].name, contracts[0].name) == ("household_spend", "household_spend")
    assert checked in {SERVING, HealthCheckResponse.NOT_SERVING}
    assert healed.statuses.tolist() == [[Status.PRESENT]]
