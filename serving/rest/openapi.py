"""The OpenAPI document: what `/openapi.json` says, and what tests hold the server to."""

from importlib.metadata import version
from typing import Any

from ...contract.feature_group import DType, Online
from ...contract.status import Status
from .openapi_parts import (
    INSTANT,
    TEXT,
    TEXTS,
    array,
    described,
    json_content,
    nullable,
    problems,
    record,
)
from .request_body import LONGEST_AGE_SECONDS

_GROUP_NAME = r"^[a-z][a-z0-9_]*(@[1-9][0-9]{0,8})?$"


def openapi_document() -> dict[str, Any]:
    """The document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headrace feature server",
            "version": version("headrace"),
            "description": "The latest feature values of entities, each with its status and with "
            "the commit that it comes from.",
        },
        "paths": {
            "/v1/online-features": {"post": _look_up()},
            "/v1/feature-groups": {"get": _list_groups()},
            "/v1/feature-groups/{name}": {"get": _show_group()},
            "/healthz": {"get": _health("Is the server alive?", "alive", 500)},
            "/readyz": {"get": _health("Can lookups be answered?", "ready", 500, 503)},
            "/metrics": {"get": _metrics()},
        },
        "components": {"schemas": _schemas()},
    }


def _look_up() -> dict[str, Any]:
    example = {"features": ["household_spend:spend_30d"], "entities": {"household_id": [1, 2]}}
    return {
        "operationId": "lookUp",
        "summary": "Look feature values of entities up.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _reference("Lookup"), "example": example}},
        },
        "responses": {
            "200": json_content("One inner list per entity.", _reference("OnlineFeatures")),
            **problems(400, 404, 408, 413, 415, 429, 500, 503, 504),
        },
    }


def _list_groups() -> dict[str, Any]:
    schema = record({"feature_groups": array(_reference("FeatureGroupSummary"))})
    return {
        "operationId": "listFeatureGroups",
        "summary": "Every published version of every feature group, by name and version.",
        "responses": {"200": json_content("The groups.", schema), **problems(429, 500, 503, 504)},
    }


def _show_group() -> dict[str, Any]:
    name = {"type": "string", "pattern": _GROUP_NAME}
    return {
        "operationId": "showFeatureGroup",
        "summary": "Whom a feature group describes, and what one may ask of it.",
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "description": "The group's name, for its live version, or name@version.",
                "schema": name,
            }
        ],
        "responses": {
            "200": json_content("The group.", _reference("FeatureGroup")),
            **problems(400, 404, 429, 500, 503, 504),
        },
    }


def _health(summary: str, status: str, *failures: int) -> dict[str, Any]:
    schema = record({"status": {"const": status}})
    responses = {"200": json_content("Yes.", schema), **problems(*failures)}
    return {"summary": summary, "responses": responses}


def _metrics() -> dict[str, Any]:
    text = {"schema": TEXT}
    return {
        "summary": "What the server counts, for Prometheus.",
        "responses": {
            "200": {
                "description": "Metrics, as text or, if asked for, as OpenMetrics.",
                "content": {"text/plain": text, "application/openmetrics-text": text},
            },
            **problems(500),
        },
    }


def _schemas() -> dict[str, Any]:
    return {
        "Lookup": _lookup(),
        "Value": described(
            "Null unless PRESENT, or STALE and kept. 64-bit integers beyond 2^53 are texts, as are "
            "NaN and Infinity; instants and days are ISO 8601, bytes base64.",
            {
                "type": ["null", "boolean", "number", "string", "array"],
                "items": {"type": ["number", "string"]},
            },
        ),
        "Status": {"type": "string", "enum": [status.name for status in Status]},
        "OnlineFeatures": _online_features(),
        "FeatureGroupSummary": record(
            {
                "name": TEXT,
                "version": {"type": "integer"},
                "live": {"type": "boolean"},
                "entity": TEXT,
                "feature_count": {"type": "integer"},
                "description": TEXT,
                "owners": TEXTS,
            }
        ),
        "FeatureGroup": _feature_group(),
        "Problem": record(
            {
                "type": {"type": "string", "format": "uri-reference"},
                "title": TEXT,
                "status": {"type": "integer"},
                "detail": TEXT,
                "code": described("The status of the same call by gRPC.", TEXT),
                "nearest": described("Names that exist, where one was not found.", TEXTS),
            },
            optional=("nearest",),
        ),
    }


def _lookup() -> dict[str, Any]:
    ask = described("group:feature, or group, or group@version:feature.", nullable(TEXTS))
    service = described("A feature service, instead of features.", nullable(TEXT))
    column = array({"type": ["integer", "string"]})
    age = {
        "type": ["number", "null"],
        "minimum": 0,
        "maximum": LONGEST_AGE_SECONDS,
        "description": "Older rows are STALE even within their time to live.",
    }
    schema = record(
        {
            "features": ask,
            "feature_service": service,
            "entities": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": column,
                "description": "A list of values for each join key; the i-th values together are "
                "the i-th entity. Days are written as 2018-01-31, bytes in base64.",
            },
            "max_age_seconds": age,
            "stale": described(
                "What becomes of STALE values: null, unless kept.",
                {"enum": ["null", "keep", None]},
            ),
        },
        optional=("features", "feature_service", "max_age_seconds", "stale"),
    )
    asks_features = {"features": {**TEXTS, "minItems": 1}, "feature_service": {"const": None}}
    asks_service = {"features": {"const": None}, "feature_service": {**TEXT, "minLength": 1}}
    return {
        **schema,
        "oneOf": [
            {"required": ["features"], "properties": asks_features},
            {"required": ["feature_service"], "properties": asks_service},
        ],
    }


def _online_features() -> dict[str, Any]:
    def per_feature(item: dict[str, Any], description: str) -> dict[str, Any]:
        return described(description, array(array(item)))

    return record(
        {
            "feature_names": described("group__feature, in the order asked.", TEXTS),
            "entities": {
                "type": "object",
                "additionalProperties": array({"type": ["integer", "string"]}),
            },
            "values": per_feature(_reference("Value"), "One inner list per entity."),
            "statuses": per_feature(_reference("Status"), "Of each value."),
            "event_timestamps": per_feature(
                nullable(INSTANT), "When each value became true; null where there is no row."
            ),
            "table_versions": per_feature(
                {"type": ["integer", "null"]}, "The Delta version that holds each value's row."
            ),
            "generations": per_feature(
                {"type": ["integer", "null"]}, "Which computation of its partition wrote the row."
            ),
            "feature_groups": described(
                "The versions that answered, in the order in which groups were first named.",
                array(record({"name": TEXT, "version": {"type": "integer"}})),
            ),
            "answered_at": described("The server's clock when it judged ages.", INSTANT),
        }
    )


def _feature_group() -> dict[str, Any]:
    dtype = {"type": "string", "enum": [dtype.name for dtype in DType]}
    return record(
        {
            "name": TEXT,
            "version": {"type": "integer"},
            "live": {"type": "boolean"},
            "status": TEXT,
            "online": {"type": "string", "enum": [online.value for online in Online]},
            "entity": TEXT,
            "join_keys": array(record({"name": TEXT, "data_type": dtype})),
            "features": array(
                record(
                    {
                        "name": TEXT,
                        "data_type": dtype,
                        "nullable": {"type": "boolean"},
                        "description": TEXT,
                    }
                )
            ),
            "ttl_seconds": described("Null: for ever.", {"type": ["number", "null"]}),
            "description": TEXT,
            "owners": TEXTS,
            "contract_id": TEXT,
        }
    )


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
