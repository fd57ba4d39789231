"""Which gRPC status an error becomes, and which HTTP status that is: one table each."""

import logging

import grpc

from ..contract.errors import (
    CatalogueError,
    DeadlineExceededError,
    HeadraceError,
    InvalidArgumentError,
    InvalidEntityError,
    InvalidFeatureReferenceError,
    LimitReachedError,
    OverloadedError,
    ServerError,
    StoreUnavailableError,
    TooLargeError,
    UnknownNameError,
)

_LOG = logging.getLogger("headrace.serving")
_TEXT_BYTES = 2_000  # percent-encoded they still fit into the headers that every client accepts

_STATUS_CODES: dict[type[HeadraceError], grpc.StatusCode] = {
    UnknownNameError: grpc.StatusCode.NOT_FOUND,
    InvalidFeatureReferenceError: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidEntityError: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    TooLargeError: grpc.StatusCode.INVALID_ARGUMENT,
    LimitReachedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    StoreUnavailableError: grpc.StatusCode.UNAVAILABLE,
    CatalogueError: grpc.StatusCode.UNAVAILABLE,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    ServerError: grpc.StatusCode.ABORTED,  # the catalogue changed with every step of one REST call
}

REFUSALS = frozenset({grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT})
"""Statuses that blame the request; every other one says that the server did not answer."""


HTTP_STATUSES: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.ABORTED: 503,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
"""The HTTP status of each gRPC status that this server gives."""


def status_code(error: HeadraceError) -> grpc.StatusCode:
    """The status of an error; INTERNAL for one that no request should be able to cause."""
    return _STATUS_CODES.get(type(error), grpc.StatusCode.INTERNAL)


def status_of(error: Exception) -> tuple[grpc.StatusCode, str]:
    """The status and the text that a failed call ends with; of a bug a stranger learns the type."""
    if not isinstance(error, HeadraceError):
        _LOG.error("a call failed", exc_info=error)
        return grpc.StatusCode.INTERNAL, type(error).__name__
    text = str(error).encode("utf-8", "replace")[:_TEXT_BYTES].decode("utf-8", "ignore")
    return status_code(error), text
