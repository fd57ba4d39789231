"""The words in which the OpenAPI document is written."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from .problems import MEDIA_TYPE

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
INSTANT: Schema = {"type": "string", "format": "date-time"}


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def record(properties: Mapping[str, Schema], *, optional: Sequence[str] = ()) -> Schema:
    """An object of exactly these members."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def described(description: str, schema: Schema) -> Schema:
    """The same, with words."""
    return {"description": description, **schema}


def json_content(description: str, schema: Schema) -> dict[str, Any]:
    """A response of JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def problems(*statuses: int) -> dict[str, Any]:
    """Responses that are problem documents."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }
