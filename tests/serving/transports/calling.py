"""Calls as any client of the published `.proto` makes them, and what a server counts of them."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeAlias

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.observing import Unobserved
from headrace.serving.transports.methods import SERVICE

SPEND = "household_spend:spend_30d"
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
_PATIENCE_SECONDS = 60


def method(
    channel: grpc.Channel, name: str = "GetOnlineFeatures"
) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """A unary method of the feature service, in bytes."""
    return channel.unary_unary(
        f"/{SERVICE}/{name}", request_serializer=bytes, response_deserializer=bytes
    )


_Asked: TypeAlias = pb.StreamOnlineFeaturesRequest
_Replied: TypeAlias = pb.StreamOnlineFeaturesResponse


def stream(channel: grpc.Channel) -> "grpc.StreamStreamMultiCallable[_Asked, _Replied]":
    """`StreamOnlineFeatures`."""
    return channel.stream_stream(
        f"/{SERVICE}/StreamOnlineFeatures",
        request_serializer=pb.StreamOnlineFeaturesRequest.SerializeToString,
        response_deserializer=pb.StreamOnlineFeaturesResponse.FromString,
    )


def message(request_id: int, raw: bytes) -> pb.StreamOnlineFeaturesRequest:
    """A serialized `GetOnlineFeaturesRequest` as a message of a stream."""
    return pb.StreamOnlineFeaturesRequest(
        id=request_id, request=pb.GetOnlineFeaturesRequest.FromString(raw)
    )


def failure(
    channel: grpc.Channel, raw: bytes, name: str = "GetOnlineFeatures", *, timeout: float = 10
) -> tuple[grpc.StatusCode, str]:
    """The status and the text that a call ends with, which must fail."""
    with pytest.raises(grpc.RpcError) as failed:
        method(channel, name)(raw, timeout=timeout)
    return failed.value.code(), failed.value.details() or ""


def health(channel: grpc.Channel, service: str = "") -> HealthCheckResponse:
    """`Health.Check`."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return check(HealthCheckRequest(service=service), timeout=10)


def watch(channel: grpc.Channel, service: str = "") -> Iterator[HealthCheckResponse]:
    """`Health.Watch`."""
    watched = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return iter(watched(HealthCheckRequest(service=service), timeout=30))


def wait_until(holds: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


class Counting(Unobserved):
    """What a server says of its calls: how many ended with which status, by method."""

    def __init__(self) -> None:
        """Begin with none."""
        self.ended: Counter[tuple[str, str]] = Counter()
        self.keys = 0
        self._lock = threading.Lock()

    def answered(self, method: str, status: str, seconds: float) -> None:
        """Count a call."""
        assert seconds >= 0
        with self._lock:
            self.ended[method, status] += 1

    def batch(self, keys: int, readings: int, seconds: float) -> None:
        """Count keys that were read."""
        assert readings > 0
        assert seconds >= 0
        with self._lock:
            self.keys += keys
