"""Spans of calls, received by a real OTLP receiver."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from headrace.serving.settings import TraceSettings
from headrace.serving.tracing import Tracing
from headrace.tests.serving.answering import request
from headrace.tests.serving.operating import operated
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.rest.asking import LOOKUP, ask, households, rest_settings
from headrace.tests.serving.running import settings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
NOT_SAMPLED = f"00-{TRACE}-{PARENT}-00"
RPC = "headrace.v1.FeatureService/GetOnlineFeatures"
STREAM = "headrace.v1.FeatureService/StreamOnlineFeatures"


class Receiver(otlp_grpc.TraceServiceServicer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self._came = threading.Condition()

    def Export(  # noqa: N802  # gRPC's
        self, request: otlp.ExportTraceServiceRequest, context: object
    ) -> otlp.ExportTraceServiceResponse:
        del context
        with self._came:
            for resource in request.resource_spans:
                named = attributes_of(resource.resource)
                self.services.add(named["service.name"])
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            self._came.notify_all()
        return otlp.ExportTraceServiceResponse()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    """A receiver, and its endpoint."""
    server = grpc.server(ThreadPoolExecutor(2))
    receiving = Receiver()
    otlp_grpc.add_TraceServiceServicer_to_server(receiving, server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield receiving, f"http://127.0.0.1:{port}"
    server.stop(0).wait()


def attributes_of(holder: object) -> dict[str, str]:
    return {one.key: one.value.string_value for one in holder.attributes}  # type: ignore[attr-defined]  # a span, or a resource


def called(channel: grpc.Channel, raw: bytes, traceparent: str | None) -> bytes:
    """What a call answers, made within a trace or without one."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{RPC}")
    return call(raw, metadata=(("traceparent", traceparent),) if traceparent else None)


@pytest.mark.server
@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_calls_belong_to_their_callers_traces(
    receiver: tuple[Receiver, str], valkey_url: str, publisher: Publisher, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    received, endpoint = receiver
    chosen = rest_settings(valkey_url, traces=TraceSettings(endpoint, ratio=0))
    with operated(chosen, transport) as server:
        with grpc.insecure_channel(server.address) as channel:
            for parent in (SAMPLED, NOT_SAMPLED, "nonsense", None):
                called(channel, request(["household_spend"]), parent)
            with pytest.raises(grpc.RpcError):
                called(channel, b"\xff", SAMPLED)
        for parent in (SAMPLED, NOT_SAMPLED):
            ask(server.others["REST"], LOOKUP, households(1), headers={"traceparent": parent})

    spans = sorted(received.spans, key=lambda span: span.start_time_unix_nano)
    assert [span.name for span in spans] == [RPC, RPC, "POST /v1/online-features"]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in spans} == {PARENT}
    assert {span.kind for span in spans} == {Span.SPAN_KIND_SERVER}
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in spans)
    statuses = [attributes_of(span)["rpc.response.status_code"] for span in spans]
    assert statuses == ["OK", "INVALID_ARGUMENT", "OK"]
    assert attributes_of(spans[2])["http.route"] == "/v1/online-features"
    assert received.services == {"headrace-serving"}


@pytest.mark.server
@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_each_answered_message_of_a_stream_has_a_span_of_its_callers_trace(
    receiver: tuple[Receiver, str], valkey_url: str, publisher: Publisher, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    received, endpoint = receiver
    good = request(["household_spend"])
    messages = [b"\x12" + bytes([len(raw)]) + raw for raw in (good, good, request(["unknown"]))]
    chosen = settings(valkey_url, traces=TraceSettings(endpoint, ratio=0))
    with (
        operated(chosen, transport) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/{STREAM}")
        for parent in (SAMPLED, NOT_SAMPLED, None):
            metadata = (("traceparent", parent),) if parent else None
            assert len(list(call(iter([*messages, b"\xff"]), metadata=metadata))) == 4

    assert {span.name for span in received.spans} == {STREAM}
    assert {span.trace_id.hex() for span in received.spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in received.spans} == {PARENT}
    statuses = [attributes_of(span)["rpc.response.status_code"] for span in received.spans]
    assert sorted(statuses) == ["INVALID_ARGUMENT", "NOT_FOUND", "OK", "OK"]


@pytest.mark.server
def test_a_call_without_a_trace_begins_one_with_a_certain_probability(
    receiver: tuple[Receiver, str],
) -> None:
    received, endpoint = receiver
    with closing(Tracing(TraceSettings(endpoint, ratio=0.25))) as tracing:
        begun = [tracing.began("GetOnlineFeatures", ()) for _ in range(2000)]
        for span in begun:
            if span is not None:
                span.ended("UNAVAILABLE")

    assert 300 < len(received.spans) < 700
    assert len({span.trace_id for span in received.spans}) == len(received.spans)
    assert {span.parent_span_id for span in received.spans} == {b""}
    assert {span.status.code for span in received.spans} == {2}  # an error of the server's


@pytest.mark.server
def test_a_receiver_that_is_gone_costs_no_answer(
    valkey_url: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    publisher.publish(group(), {(1,): (12.5, 3)})
    chosen = settings(valkey_url, traces=TraceSettings("http://127.0.0.1:1"))
    with (
        operated(chosen, "lean") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        answered = called(channel, request(["household_spend"]), SAMPLED)

    assert b"household_spend" in answered
