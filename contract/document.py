"""A feature group's published form: one immutable JSON document, with a format version.

The document is everything that a server or an offline reader has to know to read rows without the
code that computed them. Equal declarations give equal bytes, so a document is named by its content
hash.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureServiceSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from .status import microseconds

FORMAT = 1
_READABLE = frozenset({1})


def encode_document(group: FeatureGroupSpec) -> bytes:
    """The canonical JSON of a feature group: sorted keys, no spaces, UTF-8."""
    return canonical_json(
        {
            "format": FORMAT,
            "name": group.name,
            "version": group.version,
            "description": group.description,
            "status": group.status,
            "owners": list(group.owners),
            "tags": dict(group.tags),
            "online": group.online.value if group.online else None,
            "partitions": group.partitions,
            "ttl_us": None if group.ttl is None else microseconds(group.ttl),
            "entity": {
                "name": group.entity.name,
                "join_keys": [
                    {"name": key.name, "dtype": key.dtype.name} for key in group.entity.join_keys
                ],
            },
            "features": [_feature_to_json(feature) for feature in group.features],
            "schemas": [
                [_feature_to_json(feature) for feature in schema] for schema in group.schemas
            ],
        },
    )


def decode_document(raw: bytes) -> FeatureGroupSpec:
    """The feature group that a document describes.

    Raises:
        ValueError: The document has a format that this release does not read, or is no document.
    """
    document = read_json(raw, kind="feature group document")
    ttl_us = document["ttl_us"]
    return FeatureGroupSpec(
        name=document["name"],
        version=document["version"],
        entity=EntitySpec(
            document["entity"]["name"],
            tuple(
                JoinKey(key["name"], DType[key["dtype"]]) for key in document["entity"]["join_keys"]
            ),
        ),
        features=tuple(_feature_from_json(feature) for feature in document["features"]),
        ttl=None if ttl_us is None else timedelta(microseconds=ttl_us),
        online=Online(document["online"]) if document["online"] else None,
        owners=tuple(document["owners"]),
        partitions=document["partitions"],
        description=document["description"],
        status=document["status"],
        tags=tuple(sorted(document["tags"].items())),
        schemas=tuple(
            tuple(_feature_from_json(feature) for feature in schema)
            for schema in document["schemas"]
        ),
    )


def service_to_json(service: FeatureServiceSpec) -> dict[str, Any]:
    """A feature service as it stands in a manifest."""
    return {
        "name": service.name,
        "version": service.version,
        "features": list(service.features),
        "owners": list(service.owners),
        "description": service.description,
    }


def service_from_json(service: Mapping[str, Any]) -> FeatureServiceSpec:
    """The feature service that stands in a manifest."""
    return FeatureServiceSpec(
        name=service["name"],
        version=service["version"],
        features=tuple(service["features"]),
        owners=tuple(service["owners"]),
        description=service["description"],
    )


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """JSON whose bytes depend on the content alone."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(raw: bytes) -> str:
    """The name of an immutable document: 128 bits of its SHA-256, in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()[:32]


def read_json(raw: bytes, *, kind: str) -> dict[str, Any]:
    """Parse a document of a format that this release reads.

    Raises:
        ValueError: It is of another format, or no JSON object.
    """
    document = json.loads(raw)
    found = document.get("format") if isinstance(document, dict) else None
    if found not in _READABLE:
        msg = (
            f"{kind} of format {found!r}; this release reads {sorted(_READABLE)}:"
            " upgrade the reader first"
        )
        raise ValueError(msg)
    return dict(document)


def _feature_to_json(feature: FeatureSpec) -> dict[str, Any]:
    return {
        "name": feature.name,
        "dtype": feature.dtype.name,
        "nullable": feature.nullable,
        "description": feature.description,
        "tags": dict(feature.tags),
    }


def _feature_from_json(feature: Mapping[str, Any]) -> FeatureSpec:
    return FeatureSpec(
        name=feature["name"],
        dtype=DType[feature["dtype"]],
        nullable=feature["nullable"],
        description=feature["description"],
        tags=tuple(sorted(feature["tags"].items())),
    )
