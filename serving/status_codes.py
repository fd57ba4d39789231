"""Which gRPC status an error becomes: the one table."""

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
}

REFUSALS = frozenset({grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT})
"""Statuses that blame the request; every other one says that the server did not answer."""


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
