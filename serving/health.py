"""The standard health service (`grpc.health.v1.Health`).

Not the one of grpcio-health-checking: its watchers keep their streams open while the server drains,
so that every drain would last until its timeout.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class Health:
    """Says whether the server as a whole, and each of its services, can answer."""

    def __init__(self, services: frozenset[str]) -> None:
        """Begin as NOT_SERVING for these services and for the whole server (the empty name)."""
        self._services = services | {""}
        self._is_serving = self._is_closing = False
        self._changed = asyncio.Condition()

    async def report(self, *, is_serving: bool) -> None:
        """Tell watchers when this differs from what was reported before."""
        async with self._changed:
            self._is_serving = is_serving
            self._changed.notify_all()

    async def close(self) -> None:
        """Say NOT_SERVING from now on, and end every watch."""
        async with self._changed:
            self._is_closing = True
            self._changed.notify_all()

    def methods(self) -> grpc.GenericRpcHandler:
        """The service's methods, to be added to a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(
                    self._check,
                    HealthCheckRequest.FromString,
                    HealthCheckResponse.SerializeToString,
                ),
                "Watch": grpc.unary_stream_rpc_method_handler(
                    self._watch,
                    HealthCheckRequest.FromString,
                    HealthCheckResponse.SerializeToString,
                ),
            },
        )

    async def _check(
        self, request: HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> HealthCheckResponse:
        if request.service not in self._services:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r}"
            )
        return HealthCheckResponse(status=self._status(request.service))

    async def _watch(
        self, request: HealthCheckRequest, _context: grpc.aio.ServicerContext
    ) -> AsyncIterator[HealthCheckResponse]:
        told: int | None = None
        is_closing = False
        while not is_closing:
            async with self._changed:
                while not self._is_closing and self._status(request.service) == told:
                    await self._changed.wait()
                status, is_closing = self._status(request.service), self._is_closing
            if status != told:
                yield HealthCheckResponse(status=status)
                told = status

    def _status(self, service: str) -> int:
        if service not in self._services:
            return HealthCheckResponse.SERVICE_UNKNOWN
        if self._is_serving and not self._is_closing:
            return HealthCheckResponse.SERVING
        return HealthCheckResponse.NOT_SERVING
