"""`maintenance/online_store`: rows that nobody reads leave the online store."""

import dagster as dg

from ...resources.deployments import Deployment
from ...resources.online.garbage import Collection
from ..online_garbage import collect
from .maintenance import GROUP
from .tracing import traced_step

KEY = dg.AssetKey(["maintenance", "online_store"])
OWNERS = ["team:platform"]


def online_garbage_asset() -> dg.AssetsDefinition:
    """The asset that collects garbage, as a schedule requests it; nothing waits for it."""

    @dg.asset(
        key=KEY,
        description=(
            "Removes rows that nobody reads from the online store: superseded ones, those of"
            " dropped versions, and those of entities that nothing published mentions. Goes on"
            " where the last run stopped. Changes no answer."
        ),
        group_name=GROUP,
        kinds={"redis"},
        owners=OWNERS,
        pool="/".join(KEY.path),
        tags={"headrace/maintenance": ""},
    )
    def collected(
        context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
    ) -> dg.MaterializeResult[None]:
        with traced_step(context):
            found = collect(deployment)
        if found.unknown:
            context.log.warning(
                "%s keys were left alone: their ids stand for nothing here", found.unknown
            )
        if found.unjudged:
            context.log.warning(
                "%s keys were left alone: the offline store lacks what their groups publish",
                found.unjudged,
            )
        return dg.MaterializeResult(metadata=_metadata(found))

    return collected


def _metadata(found: Collection) -> dict[str, dg.MetadataValue]:
    return {
        "rows_looked_at": dg.MetadataValue.int(found.looked_at),
        "rows_removed": dg.MetadataValue.int(found.removed),
        "superseded": dg.MetadataValue.int(found.below_floor),
        "of_dropped_versions": dg.MetadataValue.int(found.dropped),
        "of_unknown_entities": dg.MetadataValue.int(found.orphans),
        "keys_left_alone": dg.MetadataValue.int(found.unknown + found.unjudged),
        "whole_store": dg.MetadataValue.bool(found.finished),
    }
