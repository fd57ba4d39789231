"""What REST says instead of an answer: problem documents (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import grpc
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ...contract.errors import HeadraceError, UnknownNameError
from ..status_codes import HTTP_STATUSES, status_code

MEDIA_TYPE = "application/problem+json"

_LONGEST_DETAIL = 2000
_REPEAT_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_CODES: dict[int, grpc.StatusCode] = {
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}


class Problem(JSONResponse):
    """A problem document.

    Attributes:
        code: The name of the gRPC status that a client of the RPC would have seen.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str,
        nearest: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Say what was wrong; `nearest` are the names that exist and look like the one asked."""
        self.code = code
        document = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            # It repeats what was sent, which may be long.
            "detail": detail[:_LONGEST_DETAIL],
            "code": code,
            **({"nearest": list(nearest)} if nearest else {}),
        }
        later = {"retry-after": "1"} if status in _REPEAT_LATER else {}
        super().__init__(document, status, {**later, **(headers or {})})


def problem_of(error: HeadraceError) -> Problem:
    """What an error of the server's own tree becomes."""
    code = status_code(error)
    nearest = error.nearest if isinstance(error, UnknownNameError) else ()
    return Problem(HTTP_STATUSES[code], str(error), code=code.name, nearest=nearest)


def problem_of_http(error: HTTPException) -> Problem:
    """What an error of HTTP itself becomes: a wrong path, method or media type."""
    code = _CODES.get(error.status_code, grpc.StatusCode.INVALID_ARGUMENT)
    return Problem(error.status_code, error.detail, code=code.name, headers=error.headers)
