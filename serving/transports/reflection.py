"""Server reflection, one message at a time, so that any transport can answer it."""

from typing import Any

from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from ...contract.errors import InvalidArgumentError
from .methods import REFLECTED_SERVICES

# The servicer takes a context and looks at none.
_NOBODY: Any = None


class Reflection:
    """Describes the services of this server to clients that have no `.proto`."""

    def __init__(self) -> None:
        """Describe every service that both transports have."""
        self._servicer = ReflectionServicer(REFLECTED_SERVICES)

    def answer(self, raw: bytes) -> bytes:
        """Answer a serialized `ServerReflectionRequest`.

        Raises:
            InvalidArgumentError: The bytes are no such request.
        """
        try:
            request = reflection_pb2.ServerReflectionRequest.FromString(raw)
        except DecodeError as error:
            raise InvalidArgumentError(
                argument="request",
                problem="these bytes are no ServerReflectionRequest",
                remedy="use the published reflection.proto",
            ) from error
        # The servicer is a generator over a stream; it keeps nothing from one message to the next.
        answers = self._servicer.ServerReflectionInfo(iter([request]), _NOBODY)
        response: reflection_pb2.ServerReflectionResponse = next(iter(answers))
        return response.SerializeToString()
