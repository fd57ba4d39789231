"""Clients of the feature server; they need grpcio, numpy and protobuf, nothing of the pipeline."""

from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from google.protobuf.message import Message

from ..contract.errors import HeadraceError, RefusedRequestError, ServerError
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures
from .contract_messages import GroupContract
from .conversation import Conversation, Exchange, Question, Request, Result
from .entity_columns import Entities
from .online_features import OnlineFeatures, Stale
from .status_codes import REFUSALS

_SERVICE = pb.DESCRIPTOR.services_by_name["FeatureService"]
_METHODS: dict[type[Message], tuple[str, type[Message]]] = {
    pb.GetOnlineFeaturesRequest: ("GetOnlineFeatures", RawOnlineFeatures),
    pb.GetContractRequest: ("GetContract", pb.GetContractResponse),
    pb.ListFeatureGroupsRequest: ("ListFeatureGroups", pb.ListFeatureGroupsResponse),
}
_OPTIONS = (
    ("grpc.max_receive_message_length", 256 * 2**20),
    # A restarted server is found within a second, not after grpc's own two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_DEFAULT_TIMEOUT = timedelta(seconds=5)


class FeatureClient:
    """Looks features up from any thread; close it, or use it as a context manager."""

    def __init__(self, server: str, *, timeout: timedelta = _DEFAULT_TIMEOUT) -> None:
        """Name the server; it is connected to at the first call.

        Args:
            server: Its address, `host:port` or `unix:/path`.
            timeout: How long one call may take before it ends in a `ServerError`.
        """
        self._server, self._timeout = server, timeout.total_seconds()
        self._channel = grpc.insecure_channel(server, options=_OPTIONS)
        self._calls = {
            request: self._channel.unary_unary(
                f"/{_SERVICE.full_name}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            for request, (name, response) in _METHODS.items()
        }
        self._conversation = Conversation(server)

    def get_online_features(
        self,
        features: Iterable[object] | None = None,
        *,
        entities: Entities,
        feature_service: str | None = None,
        max_age: timedelta | None = None,
        stale: Stale = "null",
    ) -> OnlineFeatures:
        """Look up feature values of entities.

        Args:
            features: `group:feature`, or `group` for all of its features.
            entities: One column per join key; the i-th values together are the i-th entity.
            feature_service: The name of a feature service, instead of features.
            max_age: Rows older than this are STALE even within their TTL.
            stale: Whether values of STALE rows are hidden (`null`, as in training) or kept.

        Raises:
            RequestError: The request cannot be answered as asked; the message says why.
            ServerError: The server did not answer; the call may be repeated.
        """
        question = Question.of(
            features, feature_service, entities=entities, max_age=max_age, stale=stale
        )
        return self._run(self._conversation.look_up(question))

    def get_contracts(
        self, features: Iterable[object] | None = None, *, feature_service: str | None = None
    ) -> tuple[GroupContract, ...]:
        """The contracts of the groups asked for, as they are now: join keys, features, types, TTL.

        Raises:
            RequestError: The request cannot be answered as asked; the message says why.
            ServerError: The server did not answer; the call may be repeated.
        """
        return self._run(self._conversation.contracts(features, feature_service))

    def list_feature_groups(self) -> tuple[pb.FeatureGroupSummary, ...]:
        """Every published version of every feature group, by name and version.

        Raises:
            ServerError: The server did not answer; the call may be repeated.
        """
        response: pb.ListFeatureGroupsResponse = self._call(pb.ListFeatureGroupsRequest())
        return tuple(response.feature_groups)

    def close(self) -> None:
        """Close the connection; calls in flight end in a `ServerError`."""
        self._channel.close()

    def __enter__(self) -> Self:
        """This client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def _run(self, exchange: Exchange[Result]) -> Result:
        try:
            request = next(exchange)
            while True:
                request = exchange.send(self._call(request))
        except StopIteration as end:
            result: Result = end.value
            return result

    def _call(self, request: Request) -> Any:  # noqa: ANN401  # which response it is depends on the request
        try:
            return self._calls[type(request)](request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise _answered_with(error, self._server) from error


class AsyncFeatureClient:
    """`FeatureClient` for asyncio; made, used and closed within one running event loop."""

    def __init__(self, server: str, *, timeout: timedelta = _DEFAULT_TIMEOUT) -> None:
        """Name the server; it is connected to at the first call.

        Args:
            server: Its address, `host:port` or `unix:/path`.
            timeout: How long one call may take before it ends in a `ServerError`.
        """
        self._server, self._timeout = server, timeout.total_seconds()
        self._channel = grpc.aio.insecure_channel(server, options=_OPTIONS)
        self._calls = {
            request: self._channel.unary_unary(
                f"/{_SERVICE.full_name}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            for request, (name, response) in _METHODS.items()
        }
        self._conversation = Conversation(server)

    async def get_online_features(
        self,
        features: Iterable[object] | None = None,
        *,
        entities: Entities,
        feature_service: str | None = None,
        max_age: timedelta | None = None,
        stale: Stale = "null",
    ) -> OnlineFeatures:
        """Look up feature values of entities; as `FeatureClient.get_online_features`."""
        question = Question.of(
            features, feature_service, entities=entities, max_age=max_age, stale=stale
        )
        return await self._run(self._conversation.look_up(question))

    async def get_contracts(
        self, features: Iterable[object] | None = None, *, feature_service: str | None = None
    ) -> tuple[GroupContract, ...]:
        """The contracts of the groups asked for; as `FeatureClient.get_contracts`."""
        return await self._run(self._conversation.contracts(features, feature_service))

    async def list_feature_groups(self) -> tuple[pb.FeatureGroupSummary, ...]:
        """Every published version; as `FeatureClient.list_feature_groups`."""
        response: pb.ListFeatureGroupsResponse = await self._call(pb.ListFeatureGroupsRequest())
        return tuple(response.feature_groups)

    async def close(self) -> None:
        """Close the connection; calls in flight end in a `ServerError`."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        """This client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self.close()

    async def _run(self, exchange: Exchange[Result]) -> Result:
        try:
            request = next(exchange)
            while True:
                request = exchange.send(await self._call(request))
        except StopIteration as end:
            result: Result = end.value
            return result

    async def _call(self, request: Request) -> Any:  # noqa: ANN401  # as in FeatureClient
        try:
            return await self._calls[type(request)](request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise _answered_with(error, self._server) from error


def _answered_with(error: grpc.RpcError, server: str) -> HeadraceError:
    """What a failed call means to the caller."""
    code, reason = error.code(), error.details() or ""
    if code in REFUSALS:
        return RefusedRequestError(code=code.name, reason=reason)
    return ServerError(server=server, code=code.name, reason=reason)
