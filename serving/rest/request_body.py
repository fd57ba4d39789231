"""The body of a lookup: read up to a limit, and taken apart without a look at the catalogue."""

import asyncio
import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ...contract.errors import InvalidArgumentError, TooLargeError
from ..question import Stale, asked_features
from ..settings import Limits, RestSettings

LONGEST_AGE_SECONDS = 315_576_000_000  # protobuf's Duration: ten thousand years
MEMBERS = ("features", "feature_service", "entities", "max_age_seconds", "stale")

_JSON = "application/json"
_BODY, _REMEDY = "the body", "send one JSON object"


@dataclass(frozen=True, slots=True)
class LookupBody:
    """What a lookup asks for; entities as JSON spells them, one column per join key."""

    features: tuple[str, ...] | None
    feature_service: str | None
    entities: Mapping[str, Sequence[object]]
    max_age: timedelta | None
    stale: Stale


async def read_body(request: Request, settings: RestSettings) -> bytes:
    """The whole body of a request.

    Raises:
        HTTPException: It is no JSON, is too long, or does not come.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is {media_type or 'of no type'}; send JSON, and content-type: {_JSON}",
        )
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout.total_seconds()):
            async for chunk in request.stream():
                body += chunk
                if len(body) > settings.body_bytes:
                    raise HTTPException(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"the body has more than {settings.body_bytes} bytes; split the request",
                    )
    except TimeoutError as error:
        seconds = settings.body_timeout.total_seconds()
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT, f"the body was not there after {seconds:g} s; send it"
        ) from error
    return bytes(body)


def parse_lookup(raw: bytes, limits: Limits) -> LookupBody:
    """Take the body of a lookup apart.

    Raises:
        InvalidArgumentError: It is no JSON, or not of the form that the schema describes.
        TooLargeError: It asks for more than the limits allow.
    """
    body = _object(raw)
    unknown = next((name for name in body if name not in MEMBERS), None)
    if unknown is not None:
        nearest = difflib.get_close_matches(unknown, MEMBERS, n=1) or MEMBERS
        raise _wrong(repr(unknown), "there is no such member", f"write {' or '.join(nearest)}")
    features = _texts(body.get("features"), limits)
    service = body.get("feature_service")
    if service is not None and not _is_text(service):
        raise _wrong("feature_service", "it is no text", "name a feature service")
    asked_features(features, service)
    return LookupBody(
        features,
        service,
        _columns(body.get("entities"), limits),
        _max_age(body.get("max_age_seconds")),
        _stale(body.get("stale")),
    )


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(
            raw.decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        too_deep = isinstance(error, RecursionError)
        problem = f"it is no JSON ({'nested too deeply' if too_deep else error})"
        raise _wrong(_BODY, problem, _REMEDY) from error
    if not isinstance(body, dict):
        problem = "it is no JSON object"
        raise _wrong(_BODY, problem, _REMEDY)
    return body


def _without_repeats(members: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(members)
    if len(named) < len(members):
        msg = "a member is given twice"
        raise ValueError(msg)
    return named


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _texts(value: object, limits: Limits) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(_is_text(item) for item in value):
        raise _wrong("features", "it is no list of texts", 'write ["group:feature"]')
    if len(value) > limits.features:
        raise TooLargeError(what="features", count=len(value), limit=limits.features)
    return tuple(value)


def _is_text(value: object) -> bool:
    """Whether it is a text that can be sent on: JSON can spell halves of surrogate pairs."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _columns(value: object, limits: Limits) -> Mapping[str, Sequence[object]]:
    remedy = 'write {"household_id": [1, 2]}, a list for each join key'
    if not isinstance(value, dict) or not value:
        raise _wrong("entities", "it names no join key", remedy)
    for name, column in value.items():
        if not isinstance(column, list):
            raise _wrong("entities", f"{name!r} has no list of values", remedy)
        if len(column) > limits.entities:
            raise TooLargeError(what="entities", count=len(column), limit=limits.entities)
    return value


def _max_age(value: object) -> timedelta | None:
    if value is None:
        return None
    # JSON's 1e999 is infinite by the time that it arrives here.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= LONGEST_AGE_SECONDS or math.isnan(value):  # type: ignore[operator, arg-type]  # a number, by the line above
        raise _wrong(
            "max_age_seconds",
            f"{value!r} is no age",
            f"give seconds, from 0 to {LONGEST_AGE_SECONDS}",
        )
    return timedelta(seconds=value)  # type: ignore[arg-type]  # as above


def _stale(value: object) -> Stale:
    if value is None:
        return "null"
    for known in get_args(Stale):
        if value == known:
            return known  # type: ignore[no-any-return]  # one of the literals
    raise _wrong("stale", f"it is {value!r}", 'write "null" or "keep"')


def _wrong(argument: str, problem: str, remedy: str) -> InvalidArgumentError:
    return InvalidArgumentError(argument=argument, problem=problem, remedy=remedy)
