"""The edge of a call over HTTP: whatever goes wrong becomes a problem document."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...contract.errors import HeadraceError
from .problems import Problem, problem_of, problem_of_http

Endpoint = Callable[[Request], Awaitable[Response]]

_LOG = logging.getLogger("headrace.serving")


def guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint with problem documents for its errors; a stranger learns a bug's type alone."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HeadraceError as error:
            return problem_of(error)
        except HTTPException as error:
            return problem_of_http(error)
        except ClientDisconnect:
            # Nobody is left to read it.
            return Problem(HTTPStatus.BAD_REQUEST, "the caller is gone", code="CANCELLED")
        except Exception as error:  # noqa: BLE001  # the edge of a call
            # Neither its message nor what it was called with: both may hold join keys.
            frames = traceback.format_tb(error.__traceback__)
            _LOG.error("a call failed: %s\n%s", type(error).__name__, "".join(frames))
            return Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                type(error).__name__,
                code=grpc.StatusCode.INTERNAL.name,
            )

    return answer


def application(routes: list[Route]) -> Starlette:
    """An application that answers wrong paths and methods with problem documents, too."""

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        path = request.url.path
        if error.status_code == HTTPStatus.NOT_FOUND:
            error.detail = f"there is no path {path!r}"
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error.detail = f"{path} does not answer {request.method}; see the header allow"
        return problem_of_http(error)

    made = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    made.router.redirect_slashes = False
    return made
