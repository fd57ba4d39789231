import grpc
import pytest

from headrace.contract import errors
from headrace.contract.errors import HeadraceError, RequestError
from headrace.serving.status_codes import REFUSALS, status_code


def made(kind: type[HeadraceError]) -> HeadraceError:
    """An error of this class, without its words: the table looks at the class alone."""
    return kind.__new__(kind)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (errors.UnknownNameError, grpc.StatusCode.NOT_FOUND),
        (errors.InvalidFeatureReferenceError, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.InvalidEntityError, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.InvalidArgumentError, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.TooLargeError, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.StoreUnavailableError, grpc.StatusCode.UNAVAILABLE),
        (errors.CatalogueError, grpc.StatusCode.UNAVAILABLE),
        (errors.PortTakenError, grpc.StatusCode.INTERNAL),
    ],
)
def test_the_table(kind: type[HeadraceError], expected: grpc.StatusCode) -> None:
    assert status_code(made(kind)) is expected


def test_every_error_that_blames_the_request_is_a_refusal() -> None:
    client_side: set[type[RequestError]] = {errors.RefusedRequestError, errors.ContractChangedError}

    blaming = set(RequestError.__subclasses__()) - client_side

    assert {status_code(made(kind)) for kind in blaming} == REFUSALS
