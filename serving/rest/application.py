"""The HTTP interface to features: which path is answered how."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...contract.errors import HeadraceError
from ...contract.proto.headrace.v1 import feature_service_pb2 as pb
from ...contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures
from ..admission import caller_name
from ..conversation import Conversation, Exchange, Result
from ..freshness import group_ages
from ..handler import Handler
from ..observing import Observer
from ..question import Question
from ..reader import Reader
from ..reading import Reading
from ..settings import Settings
from .connection import IDENTITIES
from .edge import Endpoint, guarded
from .entity_values import typed_entities
from .problems import Problem
from .request_body import parse_lookup, read_body
from .response_body import group_body, groups_body, lookup_body

if TYPE_CHECKING:
    from ..tracing import Tracing

_Method = tuple[Callable[[bytes], Reading[bytes]], Callable[[bytes], Message]]


class Interface:
    """Answers HTTP requests by asking the handler as a client in the same process would.

    Attributes:
        is_draining: The process is about to end: say so to whoever asks whether it is ready.
    """

    def __init__(
        self,
        settings: Settings,
        handler: Handler,
        reader: Reader,
        *,
        observer: Observer,
        tracing: "Tracing | None" = None,
    ) -> None:
        """Prepare; the reader belongs to the event loop that runs this."""
        self._settings, self._handler, self._reader = settings, handler, reader
        self._observer, self._tracing = observer, tracing
        self._conversation = Conversation("this process")
        self._methods: Mapping[type[Message], _Method] = {
            pb.GetOnlineFeaturesRequest: (
                handler.get_online_features,
                RawOnlineFeatures.FromString,
            ),
            pb.GetContractRequest: (handler.get_contract, pb.GetContractResponse.FromString),
        }
        self._open_calls = 0
        self.is_draining = False

    def routes(self) -> list[Route]:
        """The paths under which features are found."""
        endpoints: dict[tuple[str, str], Endpoint] = {
            ("POST", "/v1/online-features"): self._look_up,
            ("GET", "/v1/feature-groups"): self._list_groups,
            ("GET", "/v1/feature-groups/{name}"): self._show_group,
        }
        return [
            Route(path, self._admitted(f"{method} {path}", endpoint), methods=[method])
            for (method, path), endpoint in endpoints.items()
        ]

    async def readiness(self) -> str:
        """Why no lookup can be answered now; empty when it can."""
        if self.is_draining:
            return "the server is about to end"
        try:
            await self._run(self._handler.refresh())
        except HeadraceError as error:
            return str(error)
        return ""

    async def group_ages(self) -> Mapping[str, float]:
        """How old what is served of each group is; nothing while the store does not say."""
        try:
            return await self._run(group_ages(self._handler))
        except HeadraceError:
            return {}

    def _admitted(self, method: str, endpoint: Endpoint) -> Endpoint:
        """The endpoint as long as neither callers nor calls are too many; timed and counted."""
        admission = self._handler.admission

        async def let_in(request: Request) -> Response:
            if admission.asks_for_callers:
                identities = request.scope["state"].get(IDENTITIES)
                admission.admit_call(caller_name(identities, request.headers.items()))
            return await endpoint(request)

        answer = guarded(let_in)

        async def answered(request: Request) -> Response:
            started = time.perf_counter()
            tracing = self._tracing
            span = tracing.began(method, request.headers.items()) if tracing is not None else None
            self._open_calls += 1
            try:
                response = await (self._overloaded() if self._is_full else answer(request))
            finally:
                self._open_calls -= 1
            status = response.code if isinstance(response, Problem) else "OK"
            self._observer.answered(method, status, time.perf_counter() - started)
            if span is not None:
                span.ended(status)
            return response

        return answered

    @property
    def _is_full(self) -> bool:
        return self._open_calls > self._settings.rest.calls

    async def _overloaded(self) -> Response:
        return Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{self._settings.rest.calls} calls are being answered; come again",
            code=grpc.StatusCode.RESOURCE_EXHAUSTED.name,
        )

    async def _look_up(self, request: Request) -> Response:
        raw = await read_body(request, self._settings.rest)
        asked = parse_lookup(raw, self._settings.limits)
        contracts = await self._converse(
            self._conversation.contracts(asked.features, asked.feature_service)
        )
        entities = typed_entities(asked.entities, (contract.entity for contract in contracts))
        question = Question.of(
            asked.features,
            asked.feature_service,
            entities=entities,
            max_age=asked.max_age,
            stale=asked.stale,
        )
        answer = await self._converse(self._conversation.look_up(question))
        return JSONResponse(lookup_body(answer, entities, self._settings.rest.values))

    async def _list_groups(self, _request: Request) -> Response:
        raw = await self._run(self._handler.list_feature_groups(b""))
        return JSONResponse(groups_body(pb.ListFeatureGroupsResponse.FromString(raw)))

    async def _show_group(self, request: Request) -> Response:
        asked = pb.GetContractRequest(feature_groups=[request.path_params["name"]])
        raw = await self._run(self._handler.get_contract(asked.SerializeToString()))
        (message,) = pb.GetContractResponse.FromString(raw).feature_groups
        return JSONResponse(group_body(message))

    async def _run(self, reading: Reading[Result]) -> Result:
        deadline = time.monotonic() + self._settings.rest.timeout.total_seconds()
        return await self._reader.run(reading, deadline)

    async def _converse(self, exchange: Exchange[Result]) -> Result:
        """Run a client's side of a conversation against the handler."""
        try:
            request = next(exchange)
            while True:
                answer, parse = self._methods[type(request)]
                raw = await self._run(answer(request.SerializeToString()))
                request = exchange.send(parse(raw))
        except StopIteration as end:
            result: Result = end.value
            return result
