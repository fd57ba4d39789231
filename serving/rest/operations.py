"""What whoever watches a server asks it: is it alive, is it ready, what does it count."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import grpc
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from .docs_page import docs_page
from .edge import guarded
from .openapi import openapi_document
from .problems import Problem

Exposition = Callable[[str], Awaitable[tuple[bytes, str]]]
"""What `/metrics` says: from an `Accept` header to a body and its content type."""

_CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def operations(exposition: Exposition, readiness: Callable[[], Awaitable[str]]) -> list[Route]:
    """The paths for health and metrics; `readiness` says why not, or nothing."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        trouble = await readiness()
        if trouble:
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, trouble, code=grpc.StatusCode.UNAVAILABLE.name
            )
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        body, media_type = await exposition(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": media_type})

    endpoints = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    return [Route(path, guarded(endpoint)) for path, endpoint in endpoints.items()]


def descriptions() -> list[Route]:
    """The paths that say what all paths are."""

    async def openapi(_request: Request) -> Response:
        return JSONResponse(openapi_document())

    async def docs(_request: Request) -> Response:
        page = docs_page(openapi_document())
        return HTMLResponse(page, headers={"content-security-policy": _CONTENT_POLICY})

    return [Route("/openapi.json", guarded(openapi)), Route("/docs", guarded(docs))]
