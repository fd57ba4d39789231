"""`headrace groups`: what is declared, and what of it is live."""

from typing import TYPE_CHECKING

from .console import show_json, show_table
from .options import AsJson

if TYPE_CHECKING:
    from ..assets.declarations import FeatureGroup


def groups(*, json: AsJson = False) -> None:
    """List the feature groups: entity, features, kind, owners, and which version is live."""
    from .installation import Installation

    installation = Installation.open()
    live = installation.live_versions()
    listed = [
        group_to_json(group, is_live=live.get(group.name) == group.version)
        for group in installation.groups(None)
    ]
    if json:
        show_json({"feature_groups": listed})
        return
    show_table(
        [
            "group",
            "version",
            "live",
            "entity",
            "join keys",
            "features",
            "online",
            "partitions",
            "owners",
        ],
        [
            [
                *(group["name"], group["version"], group["live"], group["entity"]),
                ", ".join(group["join_keys"]),
                len(group["features"]),
                group["online"],
                group["partitions"],
                ", ".join(group["owners"]),
            ]
            for group in listed
        ],
    )


def group_to_json(group: "FeatureGroup", *, is_live: bool) -> dict:
    """A group as programs read it: what it is, without what is stored of it."""
    spec = group.spec
    return {
        "name": spec.name,
        "version": spec.version,
        "live": is_live,
        "description": spec.description,
        "status": spec.status,
        "owners": list(spec.owners),
        "tags": dict(spec.tags),
        "entity": spec.entity.name,
        "join_keys": {key.name: key.dtype.name for key in spec.entity.join_keys},
        "features": [
            {
                "name": feature.name,
                "dtype": feature.dtype.name,
                "nullable": feature.nullable,
                "description": feature.description,
            }
            for feature in spec.features
        ],
        "online": spec.online.value if spec.online else None,
        "ttl_seconds": spec.ttl,
        "partitions": spec.partitions,
        "start": group.start,
        "freshness_seconds": group.freshness,
    }
