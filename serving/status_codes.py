"""Which gRPC status an error becomes: the one table."""

import grpc

from ..contract.errors import (
    CatalogueError,
    DeadlineExceededError,
    HeadraceError,
    InvalidArgumentError,
    InvalidEntityError,
    InvalidFeatureReferenceError,
    OverloadedError,
    StoreUnavailableError,
    TooLargeError,
    UnknownNameError,
)

_STATUS_CODES: dict[type[HeadraceError], grpc.StatusCode] = {
    UnknownNameError: grpc.StatusCode.NOT_FOUND,
    InvalidFeatureReferenceError: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidEntityError: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    TooLargeError: grpc.StatusCode.INVALID_ARGUMENT,
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
