"""The feature server on the public `grpc.aio`: the transport that needs nothing private."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import aio as reflection

from ...contract.errors import (
    CatalogueError,
    HeadraceError,
    InvalidArgumentError,
    PortTakenError,
    StoreUnavailableError,
)
from ...contract.proto.headrace.v1 import feature_service_pb2
from ..handler import Handler
from ..health import SERVICE as HEALTH_SERVICE
from ..health import Health
from ..observing import UNOBSERVED, Observer
from ..reader import Reader
from ..reading import Reading
from ..settings import Settings
from ..status_codes import status_code

if TYPE_CHECKING:
    from ..tracing import Tracing

SERVICE = feature_service_pb2.DESCRIPTOR.services_by_name["FeatureService"].full_name

REFLECTION_SERVICES = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)

_PORTS = 2**16
_LOG = logging.getLogger("headrace.serving")
_Method = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


class AioServer:
    """One feature server in the running event loop.

    Attributes:
        handler: Answers; others in this process may ask it, too.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer = UNOBSERVED,
        tracing: "Tracing | None" = None,
    ) -> None:
        """Prepare a server; nothing is bound or connected yet."""
        self._settings, self._observer, self._tracing = settings, observer, tracing
        self._reader = Reader(settings.redis_url, settings.store_timeout)
        self.handler = Handler(settings.namespace, settings.limits, settings.clock(), observer)
        self._health = Health(frozenset({SERVICE}))
        self._refreshing: asyncio.Task[None] | None = None
        self._trouble = ""
        self._server = grpc.aio.server(
            # Without this a second server on a taken port would get every other connection.
            options=[("grpc.so_reuseport", 0)],
            maximum_concurrent_rpcs=settings.limits.calls,
        )

    async def start(self) -> str:
        """Read the catalogue if the store answers, then listen; the address with its real port.

        Raises:
            PortTakenError: The address is in use.
            InvalidArgumentError: It cannot be listened on for another reason.
        """
        methods = {
            "GetOnlineFeatures": self.handler.get_online_features,
            "GetContract": self.handler.get_contract,
            "ListFeatureGroups": self.handler.list_feature_groups,
        }
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            name: grpc.unary_unary_rpc_method_handler(self._method(name, answer))
            for name, answer in methods.items()
        }
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(SERVICE, handlers),
                self._health.methods(),
                *_reflection_methods((SERVICE, HEALTH_SERVICE, *REFLECTION_SERVICES)),
            )
        )
        address = self._listen()
        await self._refresh()
        await self._server.start()
        self._refreshing = asyncio.create_task(self._refresh_forever())
        return address

    async def stop(self) -> None:
        """Say NOT_SERVING, refuse new calls, let those in flight finish, then close everything."""
        await self._health.close()
        await self._server.stop(self._settings.drain.total_seconds())
        if self._refreshing is not None:
            self._refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await self._refreshing
        await self._reader.close()

    def _listen(self) -> str:
        bind = self._settings.bind
        if bind.startswith("unix:"):
            self._server.add_insecure_port(bind)
            return bind
        _check_address(bind)
        try:
            port = self._server.add_insecure_port(bind)
        except RuntimeError as error:
            raise _taken(bind) from error
        return f"{bind.rpartition(':')[0]}:{port}"

    def _method(self, name: str, answer: Callable[[bytes], Reading[bytes]]) -> _Method:
        async def method(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            started, status = time.perf_counter(), "CANCELLED"
            span = None
            if self._tracing is not None:
                span = self._tracing.began(name, context.invocation_metadata() or ())
            try:
                answered = await self._reader.run(answer(request))
                status = grpc.StatusCode.OK.name
            except HeadraceError as error:
                status = status_code(error).name
                await context.abort(status_code(error), str(error))
            except Exception as error:  # noqa: BLE001  # the edge of a call; a stranger learns the type
                status = grpc.StatusCode.INTERNAL.name
                _LOG.exception("a call failed")
                await context.abort(grpc.StatusCode.INTERNAL, type(error).__name__)
            else:
                return answered
            finally:
                self._observer.answered(name, status, time.perf_counter() - started)
                if span is not None:
                    span.ended(status)

        return method

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
        await self._health.report(is_serving=store_answers and self.handler.snapshot is not None)


def _reflection_methods(services: tuple[str, ...]) -> tuple[grpc.GenericRpcHandler, ...]:
    """Server reflection under both names that clients ask for; the messages are the same."""
    servicer = reflection.ReflectionServicer(services)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return tuple(
        grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
        for name in REFLECTION_SERVICES
    )


def _check_address(bind: str) -> None:
    """Try an address: gRPC does not say what is wrong with it, and takes 99999 for another port."""
    host, _, port = bind.rpartition(":")
    problem = "it has no port between 0 and 65535"
    if port.isdecimal() and int(port) < _PORTS:
        try:
            socket.create_server((host.strip("[]"), int(port))).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _taken(bind) from error
            problem = str(error)
        else:
            return
    raise InvalidArgumentError(
        argument="--bind",
        problem=f"{bind!r} cannot be listened on ({problem})",
        remedy="write it as host:port, such as 127.0.0.1:50051, or unix:/path",
    )


def _taken(bind: str) -> PortTakenError:
    return PortTakenError(address=bind, purpose="the feature server", option="--bind")
