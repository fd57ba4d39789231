"""The feature server on the public `grpc.aio`: the transport that needs nothing private."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import grpc
import grpc.aio

from ...contract.errors import CatalogueError, LimitReachedError, StoreUnavailableError
from ..admission import Admission, caller_name
from ..handler import Handler
from ..health import SERVICE as HEALTH_SERVICE
from ..health import Health
from ..observing import UNOBSERVED, Observer
from ..reader import Reader
from ..settings import Settings
from ..status_codes import status_of
from ..store.engine import Engine
from ..tls import server_credentials
from .addresses import UNIX, check_address, taken
from .aio_streams import Draining, FeatureStreams, deadline_of, reflect, watch
from .channel_arguments import channel_arguments, open_at_most
from .methods import REFLECTION_SERVICES, SERVICE, Unary, unary_methods
from .reflection import Reflection

if TYPE_CHECKING:
    from ..tracing import Tracing

_LOG = logging.getLogger("headrace.serving")

_Context = grpc.aio.ServicerContext
_Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[bytes, bytes]]"


class AioServer:
    """One feature server in the running event loop.

    Attributes:
        handler: Answers; may be asked by other transports of this process, too.
        health: What is said of this server.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        """Prepare a server; nothing is bound or connected yet."""
        observer = observer or UNOBSERVED
        self._settings, self._observer, self._tracing = settings, observer, tracing
        limits = settings.limits
        self._admission = Admission(settings.rates)
        self._reader = Reader(settings.store, observer)
        self.handler = Handler(
            settings.namespace,
            limits,
            settings.clock(),
            admission=self._admission,
            observer=observer,
        )
        self.health = Health(frozenset({SERVICE}))
        self._draining = Draining()
        self._streams = FeatureStreams(
            self._reader, self.handler, self._draining, observer=observer, tracing=tracing
        )
        self._open_calls = self._open_streams = self._open_watches = 0
        self._refreshing: asyncio.Task[None] | None = None
        self._trouble = ""
        self._server = grpc.aio.server(
            options=channel_arguments(limits, shares_port=settings.shares_port),
            maximum_concurrent_rpcs=open_at_most(limits),
        )

    @property
    def engine(self) -> Engine:
        """Reads the store for it."""
        return self._reader.engine

    @property
    def open_calls(self) -> int:
        """Calls that are not answered yet, and streams and watches that have not ended."""
        return self._open_calls + self._open_streams + self._open_watches

    async def start(self) -> str:
        """Read the catalogue if the store answers, then listen; the address with its real port.

        Raises:
            PortTakenError: The address is in use.
            InvalidArgumentError: It cannot be listened on for another reason.
        """
        reflection: _Handlers = {
            "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                partial(self._reflect, Reflection())
            )
        }
        services = {
            SERVICE: self._feature_service(),
            HEALTH_SERVICE: self._health_service(),
            **dict.fromkeys(REFLECTION_SERVICES, reflection),
        }
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(name, methods)
                for name, methods in services.items()
            ]
        )
        address = self._listen()
        await self._refresh()
        await self._server.start()
        self._refreshing = asyncio.create_task(self._refresh_forever())
        return address

    async def stop(self) -> None:
        """Say NOT_SERVING, refuse new calls, let those in flight finish, then close everything."""
        self.health.close()
        self._draining.begin()
        await self._server.stop(self._settings.drain.total_seconds())
        if self._refreshing is not None:
            self._refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await self._refreshing
        await self._reader.close()

    def _feature_service(self) -> _Handlers:
        methods: _Handlers = {
            name: grpc.unary_unary_rpc_method_handler(partial(self._answer, name, answer))
            for name, answer in unary_methods(self.handler).items()
        }
        methods["StreamOnlineFeatures"] = grpc.stream_stream_rpc_method_handler(
            self._stream_features
        )
        return methods

    def _health_service(self) -> _Handlers:
        return {
            "Check": grpc.unary_unary_rpc_method_handler(self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }

    def _listen(self) -> str:
        bind, tls = self._settings.bind, self._settings.tls
        is_unix = bind.startswith(UNIX)
        if not self._settings.shares_port:
            check_address(bind)
        try:
            if tls is None:
                port = self._server.add_insecure_port(bind)
            else:
                port = self._server.add_secure_port(bind, server_credentials(tls))
        except RuntimeError as error:
            raise taken(bind) from error
        return bind if is_unix else f"{bind.rpartition(':')[0]}:{port}"

    async def _answer(self, name: str, answer: Unary, raw: bytes, context: _Context) -> bytes:
        started, status = time.monotonic(), "CANCELLED"
        tracing, span = self._tracing, None
        if tracing is not None:
            span = tracing.began(name, context.invocation_metadata() or ())
        self._open_calls += 1
        try:
            self._admit(context)
            body = await self._reader.run(answer(raw), deadline_of(context))
        except Exception as error:  # noqa: BLE001  # the edge of a call; a stranger learns the type
            code, text = status_of(error)
            status = code.name
            await context.abort(code, text)
        else:
            status = "OK"
            return body
        finally:
            self._open_calls -= 1
            self._observer.answered(name, status, time.monotonic() - started)
            if span is not None:
                span.ended(status)

    def _admit(self, context: _Context) -> None:
        limit = self._settings.limits.calls
        if self._open_calls > limit:
            raise LimitReachedError(subject="this server", limit=f"{limit} open calls")
        self._admit_caller(context)

    def _admit_caller(self, context: _Context) -> None:
        if self._admission.asks_for_callers:
            tls = self._settings.tls
            is_authenticated = tls is not None and tls.client_ca is not None
            identities = context.peer_identities() if is_authenticated else None
            metadata = context.invocation_metadata() or ()
            self._admission.admit_call(caller_name(identities, metadata))

    async def _stream_features(self, _requests: AsyncIterator[bytes], context: _Context) -> None:
        limit = self._settings.limits.streams
        if self._open_streams >= limit:
            error = LimitReachedError(subject="this server", limit=f"{limit} open streams")
            code, text = status_of(error)
            self._observer.answered("StreamOnlineFeatures", code.name, 0.0)
            await context.abort(code, text)
        self._open_streams += 1
        try:
            await self._streams.serve(context, partial(self._admit_caller, context))
        finally:
            self._open_streams -= 1

    async def _check(self, raw: bytes, context: _Context) -> bytes:
        try:
            return self.health.check(raw)
        except Exception as error:  # noqa: BLE001  # as above
            await context.abort(*status_of(error))

    async def _watch(self, raw: bytes, context: _Context) -> AsyncIterator[bytes]:
        await self._begin_watch(context)
        try:
            async for status in watch(self.health, raw, context):
                yield status
        finally:
            self._open_watches -= 1

    async def _reflect(
        self, reflection: Reflection, _requests: AsyncIterator[bytes], context: _Context
    ) -> None:
        await self._begin_watch(context)
        try:
            await reflect(reflection, self._draining, context)
        finally:
            self._open_watches -= 1

    async def _begin_watch(self, context: _Context) -> None:
        limit = self._settings.limits.watches
        if self._open_watches >= limit:
            error = LimitReachedError(
                subject="this server", limit=f"{limit} open watches and reflections"
            )
            await context.abort(*status_of(error))
        self._open_watches += 1

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.refresh_every.total_seconds())
            try:
                await self._refresh()
            except Exception:  # noqa: BLE001  # the edge of a tick: the next one must come
                _LOG.exception("the catalogue could not be refreshed")

    async def _refresh(self) -> None:
        store_answers, trouble = True, ""
        try:
            self.handler.clock = self._settings.clock()
            await self._reader.run(self.handler.refresh())
        except StoreUnavailableError as error:
            store_answers, trouble = False, str(error)
        except CatalogueError as error:
            trouble = str(error)
        if trouble != self._trouble:
            _LOG.warning(trouble or "the store answers, and its catalogue is read")
            self._trouble = trouble
        self.health.report(is_serving=store_answers and self.handler.snapshot is not None)
