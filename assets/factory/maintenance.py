"""`maintenance/<group>`: tables that stay fast and small, without a change of any answer."""

import dagster as dg

from ...resources.deployments import Deployment
from ...resources.offline.maintenance.maintained import Kept, Maintenance
from ..declarations import FeatureGroup
from ..maintenance import maintain
from ..materialization import Materialized
from .metadata import Metadata
from .tracing import traced_step

GROUP = "maintenance"
_SHOWN = 50


def table_key(declared: Materialized) -> dg.AssetKey:
    """The key of the asset whose table it is."""
    if isinstance(declared, FeatureGroup):
        return dg.AssetKey(declared.offline_path)
    return dg.AssetKey(declared.asset_path)


def maintenance_key(declared: Materialized) -> dg.AssetKey:
    """The asset's key: `maintenance/<group>`; of others with their kind, as in their own key."""
    if isinstance(declared, FeatureGroup):
        return dg.AssetKey(["maintenance", declared.offline_path[-1]])
    return dg.AssetKey(["maintenance", *declared.asset_path])


def maintenance_asset(declared: Materialized) -> dg.AssetsDefinition:
    """The asset that maintains the table of a declaration, as a schedule requests it.

    Nothing lies upstream or downstream of it, so that no automation asks for it. It waits for whom
    computes the same table, and whoever computes waits for it: they share the table's pool.
    """
    table = "/".join(table_key(declared).path)
    owners = declared.spec.owners if isinstance(declared, FeatureGroup) else declared.owners

    @dg.asset(
        key=maintenance_key(declared),
        description=(
            f"Maintenance of {table}: history for joins, compaction within partitions, checkpoint,"
            " and vacuum of what no receipt, publisher or recent reader needs. Changes no answer."
        ),
        group_name=GROUP,
        kinds={"delta"},
        owners=owners,
        pool=table,
        tags={"headrace/maintenance": ""},
    )
    def maintained(
        context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
    ) -> dg.MaterializeResult[None]:
        with traced_step(context):
            done = maintain(declared, deployment)
        if done.kept.unknown is not None:
            context.log.warning("nothing was removed, as it is not known %s", done.kept.unknown)
        return dg.MaterializeResult(metadata=_metadata(done))

    return maintained


def _metadata(done: Maintenance) -> Metadata:
    metadata: Metadata = {
        "seconds": dg.MetadataValue.float(done.seconds),
        "versions_kept": dg.MetadataValue.md(_kept(done.kept)),
    }
    if done.history is not None:
        metadata |= {
            "history_months_written": dg.MetadataValue.int(len(done.history.months)),
            "history_rows_written": dg.MetadataValue.int(done.history.rows),
        }
    if done.compaction is not None:
        metadata |= {
            "files_before": dg.MetadataValue.int(done.compaction.files_before),
            "files_after": dg.MetadataValue.int(done.compaction.files_after),
            "bytes_before": dg.MetadataValue.int(done.compaction.bytes_before),
            "bytes_after": dg.MetadataValue.int(done.compaction.bytes_after),
            "slices_compacted": dg.MetadataValue.int(done.compaction.slices),
            "slices_busy": dg.MetadataValue.int(done.compaction.busy),
        }
    if done.checkpoint is not None:
        metadata["checkpoint"] = dg.MetadataValue.int(done.checkpoint)
    if done.vacuum is not None:
        metadata |= {
            "files_removed": dg.MetadataValue.int(done.vacuum.files),
            "bytes_removed": dg.MetadataValue.int(done.vacuum.size),
        }
    return metadata


def _kept(kept: Kept) -> str:
    if kept.unknown is not None:
        return f"all: it is not known {kept.unknown}"
    if not kept.versions:
        return "the newest and recent ones alone"
    listed = sorted(kept.versions.items(), reverse=True)
    rows = "\n".join(f"| {version} | {why} |" for version, why in listed[:_SHOWN])
    more = f"\n\nand {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"| version | kept, as it is |\n| ---: | --- |\n{rows}{more}"
