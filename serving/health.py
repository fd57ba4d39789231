"""The standard health service (`grpc.health.v1.Health`), whichever transport asks.

Not the one of grpcio-health-checking: its watchers keep their streams open while the server drains,
so that every drain would last until its timeout.
"""

from collections.abc import Callable

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from ..contract.errors import InvalidArgumentError, UnknownNameError

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_Watcher = Callable[[], object]


class Health:
    """Says whether the server as a whole, and each of its services, can answer.

    Changed by one thread, whose watchers are told in it; any thread may ask.

    Attributes:
        watchers: Called, without arguments, after every change, and when the server drains.
        is_closing: The server drains: NOT_SERVING from now on, and every watch is to end.
    """

    def __init__(self, services: frozenset[str]) -> None:
        """Begin as NOT_SERVING for these services and for the whole server (the empty name)."""
        self._services = services | {""}
        self._is_serving = self.is_closing = False
        self.watchers: set[_Watcher] = set()

    @property
    def is_serving(self) -> bool:
        """Whether the server can answer, and does not drain."""
        return self._is_serving and not self.is_closing

    def report(self, *, is_serving: bool) -> None:
        """Tell watchers when this differs from what was reported before."""
        if is_serving != self._is_serving:
            self._is_serving = is_serving
            self._tell()

    def close(self) -> None:
        """Say NOT_SERVING from now on, and end every watch."""
        self.is_closing = True
        self._tell()

    def check(self, raw: bytes) -> bytes:
        """Answer a serialized `HealthCheckRequest`.

        Raises:
            InvalidArgumentError: The bytes are no such request.
            UnknownNameError: There is no such service.
        """
        service = asked_service(raw)
        if service not in self._services:
            raise UnknownNameError(kind="service", name=service, known=self._services - {""})
        return self.status(service)

    def status(self, service: str) -> bytes:
        """The serialized `HealthCheckResponse` of a service; SERVICE_UNKNOWN is one, too."""
        response = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
        if service not in self._services:
            response.status = HealthCheckResponse.SERVICE_UNKNOWN
        elif self.is_serving:
            response.status = HealthCheckResponse.SERVING
        return response.SerializeToString()

    def _tell(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()


def asked_service(raw: bytes) -> str:
    """The service that a serialized `HealthCheckRequest` names.

    Raises:
        InvalidArgumentError: The bytes are no such request.
    """
    try:
        return HealthCheckRequest.FromString(raw).service
    except DecodeError as error:
        raise InvalidArgumentError(
            argument="request",
            problem="these bytes are no grpc.health.v1.HealthCheckRequest",
            remedy="use the published health.proto",
        ) from error
