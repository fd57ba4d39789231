"""How both clients reach the server: channels, what every call carries, and what failures mean."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import cycle
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.message import Message

from ..contract.errors import (
    HeadraceError,
    InvalidArgumentError,
    RefusedRequestError,
    ServerError,
)
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures, RawStreamReply
from .conversation import Request
from .retries import Attempts, RetryBudget
from .status_codes import REFUSALS

DEFAULT_TIMEOUT = timedelta(seconds=5)
DEFAULT_RETRIES = 0.1

_SERVICE = pb.DESCRIPTOR.services_by_name["FeatureService"].full_name
_METHODS: Mapping[type[Message], tuple[str, type[Message]]] = {
    pb.GetOnlineFeaturesRequest: ("GetOnlineFeatures", RawOnlineFeatures),
    pb.GetContractRequest: ("GetContract", pb.GetContractResponse),
    pb.ListFeatureGroupsRequest: ("ListFeatureGroups", pb.ListFeatureGroupsResponse),
}
_OPTIONS = (
    ("grpc.max_receive_message_length", 256 * 2**20),
    # A restarted server is found within a second, not after grpc's own two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Channels of one process share a connection otherwise, and so reach one worker alone.
    ("grpc.use_local_subchannel_pool", 1),
)

_Method: TypeAlias = Any  # a multicallable of grpc or of grpc.aio


class _Grpc(Protocol):
    """What `grpc` and `grpc.aio` have in common."""

    insecure_channel: Callable[..., Any]
    secure_channel: Callable[..., Any]


class Connections:
    """Some channels to one server, used in turns.

    Attributes:
        server: Its address.
        timeout: How long a caller waits, in seconds.
        metadata: What every call carries.
        channels: To be closed at the end.
    """

    def __init__(
        self,
        library: _Grpc,
        server: str,
        *,
        timeout: timedelta,
        channels: int,
        credentials: grpc.ChannelCredentials | None,
        caller: str | None,
        retries: float,
    ) -> None:
        """Make the channels; as `FeatureClient`.

        Raises:
            InvalidArgumentError: An argument is none that there is.
        """
        if not isinstance(channels, int) or channels < 1:
            raise InvalidArgumentError(
                argument="channels", problem=f"it is {channels}", remedy="give 1 or more"
            )
        if not isinstance(timeout, timedelta):
            raise InvalidArgumentError(
                argument="timeout",
                problem=f"it is {timeout!r}",
                remedy=f"give a timedelta, such as timedelta(seconds={timeout!r})",
            )
        self.server, self.timeout = server, timeout.total_seconds()
        self.metadata = _metadata(caller)
        self._budget = RetryBudget(retries)
        self.channels: Sequence[Any] = [
            library.insecure_channel(server, options=_OPTIONS)
            if credentials is None
            else library.secure_channel(server, credentials, options=_OPTIONS)
            for _ in range(channels)
        ]
        self._methods = cycle([_methods(channel) for channel in self.channels])
        self._streams = cycle([_stream(channel) for channel in self.channels])
        self._is_closed = False

    def method(self, request: Request) -> _Method:
        """What makes this call, on the channel whose turn it is.

        Raises:
            ServerError: The client is closed.
        """
        self._require_open()
        return next(self._methods)[type(request)]

    def stream(self) -> _Method:
        """What makes a streaming call, on the channel whose turn it is.

        Raises:
            ServerError: The client is closed.
        """
        self._require_open()
        return next(self._streams)

    def attempts(self) -> Attempts:
        """Begin what a caller waits for."""
        return Attempts(self._budget, self.timeout)

    def pause_after(self, error: grpc.RpcError, attempts: Attempts) -> float:
        """How long to wait before a failed call is made again, in seconds.

        Raises:
            RefusedRequestError: The server refused the request.
            ServerError: It did not answer, and is not to be asked again.
        """
        pause = None if self._is_closed else attempts.pause_after(error.code())
        if pause is None:
            raise self.failure(error.code(), error.details() or "") from error
        return pause

    def _require_open(self) -> None:
        if self._is_closed:
            raise self.failure(grpc.StatusCode.CANCELLED, "this client is closed")

    def failure(self, code: grpc.StatusCode, reason: str) -> HeadraceError:
        """What a failed call means to the caller."""
        if code in REFUSALS:
            return RefusedRequestError(code=code.name, reason=reason)
        return ServerError(server=self.server, code=code.name, reason=reason)

    def closing(self) -> Sequence[Any]:
        """The channels, to be closed: what is cancelled from now on, the caller asked for."""
        self._is_closed = True
        return self.channels


def _methods(channel: Any) -> dict[type[Message], _Method]:  # noqa: ANN401  # of grpc or of grpc.aio
    return {
        request: channel.unary_unary(
            f"/{_SERVICE}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        for request, (name, response) in _METHODS.items()
    }


def _stream(channel: Any) -> _Method:  # noqa: ANN401  # as above
    return channel.stream_stream(
        f"/{_SERVICE}/StreamOnlineFeatures",
        request_serializer=pb.StreamOnlineFeaturesRequest.SerializeToString,
        response_deserializer=RawStreamReply.FromString,
    )


def _metadata(caller: str | None) -> tuple[tuple[str, str], ...]:
    if caller is None:
        return ()
    if not caller or not caller.isascii() or not caller.isprintable():
        raise InvalidArgumentError(
            argument="caller",
            problem=f"it is {caller!r}",
            remedy="name who asks in printable ASCII, such as 'checkout-model'",
        )
    return (("headrace-caller", caller),)
