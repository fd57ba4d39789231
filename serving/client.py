"""Clients of the feature server; they need grpcio, numpy and protobuf, nothing of the pipeline."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from datetime import timedelta
from typing import Any, Self

import grpc
import grpc.aio

from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from .connections import DEFAULT_RETRIES, DEFAULT_TIMEOUT, Connections
from .contract_messages import GroupContract
from .conversation import Conversation, Exchange, Request, Result, ServiceContract
from .entity_columns import Entities
from .online_features import OnlineFeatures
from .question import Asked, Question, Stale
from .retries import Attempts
from .streamed import StreamedAnswer
from .streams import AsyncFeatureStream, FeatureStream


class _Client:
    """What both clients are made of."""

    _library: Any  # grpc or grpc.aio

    def __init__(
        self,
        server: str,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        channels: int = 1,
        credentials: grpc.ChannelCredentials | None = None,
        caller: str | None = None,
        retries: float = DEFAULT_RETRIES,
    ) -> None:
        """Name the server; it is connected to at the first call.

        Args:
            server: Its address, `host:port` or `unix:/path`.
            timeout: How long one lookup may take, repetitions included, before it ends in a
                `ServerError`.
            channels: Connections, used in turns; a server of several workers needs several.
            credentials: For TLS: `grpc.ssl_channel_credentials(...)`, with a key and a certificate
                of one's own where the server asks for them; without it, plain text.
            caller: Who asks, as limits and metrics of the server name it.
            retries: The share of calls that may be made again when the server is unavailable for
                a moment; a few are allowed on top of it. 0: none.

        Raises:
            InvalidArgumentError: An argument is none that there is.
        """
        self._connections = Connections(
            self._library,
            server,
            timeout=timeout,
            channels=channels,
            credentials=credentials,
            caller=caller,
            retries=retries,
        )
        self._conversation = Conversation(server)


class FeatureClient(_Client):
    """Looks features up from any thread; close it, or use it as a context manager."""

    _library = grpc

    def get_online_features(
        self,
        features: Asked | Iterable[Asked] | None = None,
        *,
        entities: Entities,
        feature_service: str | None = None,
        max_age: timedelta | None = None,
        stale: Stale = "null",
        project: bool = False,
    ) -> OnlineFeatures:
        """Look up feature values of entities.

        Args:
            features: `group:feature`, or `group` for all of its features; or declared ones, such as
                `household_spend["spend_30d"]`.
            entities: One column per join key; the i-th values together are the i-th entity.
            feature_service: The name of a feature service, instead of features.
            max_age: Rows older than this are STALE even within their TTL.
            stale: Whether values of STALE rows are hidden (`null`, as in training) or kept.
            project: Whether the server cuts the features asked for out of its rows. The result is
                the same; less is sent and decoded here, and the server does more. Rows of answers
                that would be longer than its limit of a message are always cut.

        Raises:
            RequestError: The request cannot be answered as asked; the message says why.
            ServerError: The server did not answer; the call may be repeated.
        """
        question = Question.of(
            features,
            feature_service,
            entities=entities,
            max_age=max_age,
            stale=stale,
            project=project,
        )
        return self._run(self._conversation.look_up(question))

    def stream_online_features(
        self,
        features: Asked | Iterable[Asked] | None = None,
        *,
        entities: Iterable[Entities],
        feature_service: str | None = None,
        max_age: timedelta | None = None,
        stale: Stale = "null",
        project: bool = False,
    ) -> Iterator[StreamedAnswer]:
        """Look up the same features for many batches of entities over one call, in their order.

        Reads up to 16 batches ahead; a generator of them will do. A batch that is refused is an
        outcome with its error and ends nothing; a call that breaks off is made again, as a lookup
        is. Arguments are those of `get_online_features`.

        Raises:
            InvalidArgumentError: The features are none that can be asked for.
            ServerError: The server did not answer within the client's timeout.
        """
        question = Question.of(
            features, feature_service, entities={}, max_age=max_age, stale=stale, project=project
        )
        stream = FeatureStream(self._connections, self._conversation, self._run)
        return stream.answers(question, entities)

    def get_contracts(
        self, features: Asked | Iterable[Asked] | None = None, *, feature_service: str | None = None
    ) -> tuple[GroupContract, ...]:
        """The contracts of the groups asked for, as they are now: join keys, features, types, TTL.

        Raises:
            RequestError: The request cannot be answered as asked; the message says why.
            ServerError: The server did not answer; the call may be repeated.
        """
        return self._run(self._conversation.contracts(features, feature_service))

    def get_service_contract(self, feature_service: str) -> ServiceContract:
        """What a feature service holds, as it is now: its groups, its features in order, its id.

        Raises:
            RequestError: There is no such service.
            ServerError: The server did not answer; the call may be repeated.
        """
        return self._run(self._conversation.service_contract(feature_service))

    def list_feature_groups(self) -> tuple[pb.FeatureGroupSummary, ...]:
        """Every published version of every feature group, by name and version.

        Raises:
            ServerError: The server did not answer; the call may be repeated.
        """
        request, attempts = pb.ListFeatureGroupsRequest(), self._connections.attempts()
        response: pb.ListFeatureGroupsResponse = self._call(request, attempts)
        return tuple(response.feature_groups)

    def close(self) -> None:
        """Close the connections; calls in flight end in a `ServerError`."""
        for channel in self._connections.closing():
            channel.close()

    def __enter__(self) -> Self:
        """This client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def _run(self, exchange: Exchange[Result]) -> Result:
        attempts = self._connections.attempts()
        try:
            request = next(exchange)
            while True:
                request = exchange.send(self._call(request, attempts))
        except StopIteration as end:
            result: Result = end.value
            return result

    def _call(self, request: Request, attempts: Attempts) -> Any:  # noqa: ANN401  # which response it is depends on the request
        connections = self._connections
        while True:
            call = connections.method(request)
            try:
                return call(request, timeout=attempts.remaining, metadata=connections.metadata)
            except grpc.RpcError as error:
                pause = connections.pause_after(error, attempts)
            time.sleep(pause)


class AsyncFeatureClient(_Client):
    """`FeatureClient` for asyncio; made, used and closed within one running event loop."""

    _library = grpc.aio

    async def get_online_features(
        self,
        features: Asked | Iterable[Asked] | None = None,
        *,
        entities: Entities,
        feature_service: str | None = None,
        max_age: timedelta | None = None,
        stale: Stale = "null",
        project: bool = False,
    ) -> OnlineFeatures:
        """Look up feature values of entities; as `FeatureClient.get_online_features`."""
        question = Question.of(
            features,
            feature_service,
            entities=entities,
            max_age=max_age,
            stale=stale,
            project=project,
        )
        return await self._run(self._conversation.look_up(question))

    def stream_online_features(
        self,
        features: Asked | Iterable[Asked] | None = None,
        *,
        entities: Iterable[Entities] | AsyncIterable[Entities],
        feature_service: str | None = None,
        max_age: timedelta | None = None,
        stale: Stale = "null",
        project: bool = False,
    ) -> AsyncIterator[StreamedAnswer]:
        """Look up many batches over one call; as `FeatureClient.stream_online_features`."""
        question = Question.of(
            features, feature_service, entities={}, max_age=max_age, stale=stale, project=project
        )
        stream = AsyncFeatureStream(self._connections, self._conversation, self._run)
        return stream.answers(question, entities)

    async def get_contracts(
        self, features: Asked | Iterable[Asked] | None = None, *, feature_service: str | None = None
    ) -> tuple[GroupContract, ...]:
        """The contracts of the groups asked for; as `FeatureClient.get_contracts`."""
        return await self._run(self._conversation.contracts(features, feature_service))

    async def get_service_contract(self, feature_service: str) -> ServiceContract:
        """What a feature service holds; as `FeatureClient.get_service_contract`."""
        return await self._run(self._conversation.service_contract(feature_service))

    async def list_feature_groups(self) -> tuple[pb.FeatureGroupSummary, ...]:
        """Every published version; as `FeatureClient.list_feature_groups`."""
        request, attempts = pb.ListFeatureGroupsRequest(), self._connections.attempts()
        response: pb.ListFeatureGroupsResponse = await self._call(request, attempts)
        return tuple(response.feature_groups)

    async def close(self) -> None:
        """Close the connections; calls in flight end in a `ServerError`."""
        for channel in self._connections.closing():
            await channel.close()

    async def __aenter__(self) -> Self:
        """This client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self.close()

    async def _run(self, exchange: Exchange[Result]) -> Result:
        attempts = self._connections.attempts()
        try:
            request = next(exchange)
            while True:
                request = exchange.send(await self._call(request, attempts))
        except StopIteration as end:
            result: Result = end.value
            return result

    async def _call(self, request: Request, attempts: Attempts) -> Any:  # noqa: ANN401  # as in FeatureClient
        connections = self._connections
        while True:
            call = connections.method(request)
            try:
                return await call(
                    request, timeout=attempts.remaining, metadata=connections.metadata
                )
            except grpc.RpcError as error:
                pause = connections.pause_after(error, attempts)
            await asyncio.sleep(pause)
