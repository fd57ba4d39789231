"""`iceberg/<group>`: the committed files of a group, registered in an Iceberg catalog."""

import dagster as dg

from ...resources.deployments import Deployment
from ..declarations import FeatureGroup
from .tracing import traced_step


def iceberg_asset(group: FeatureGroup) -> dg.AssetsDefinition:
    """The asset of a group's Iceberg table; it has no partitions, an export takes all that is new.

    Nothing requests it by itself: most groups have no readers of Iceberg, and daily runs shall not
    wait for them. Whoever has some launches it, or starts the schedule `export_iceberg`.
    """

    @dg.asset(
        key=dg.AssetKey(group.iceberg_path),
        deps=[dg.AssetKey(group.offline_path)],
        description=f"The table of {group.spec.reference} for readers of Iceberg: the same files.",
        group_name=group.entity.name,
        kinds={"iceberg"},
        owners=group.spec.owners,
        pool="/".join(group.iceberg_path),
        tags=dict(group.spec.tags),
    )
    def export(
        context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
    ) -> dg.MaterializeResult:
        with traced_step(context):
            return _exported(group, deployment)

    return export


def _exported(group: FeatureGroup, deployment: Deployment) -> dg.MaterializeResult:
    try:
        from ...resources.iceberg.catalog import open_catalog  # noqa: PLC0415 - an extra
        from ...resources.iceberg.export import export_group  # noqa: PLC0415
    except ModuleNotFoundError as error:
        remedy = "exports need pyiceberg: pip install 'headrace[iceberg]'"
        raise dg.Failure(remedy, allow_retries=False) from error

    with open_catalog(deployment.environment, deployment.offline) as catalog:
        export = export_group(deployment.offline, catalog, group.name, group.version)
    metadata = {
        "dagster/table_name": dg.MetadataValue.text(export.table),
        "dagster/row_count": dg.MetadataValue.int(export.rows),
        "iceberg_metadata": dg.MetadataValue.text(export.metadata),
        "table_version": dg.MetadataValue.int(export.table_version),
        "files": dg.MetadataValue.int(export.files),
        "files_added": dg.MetadataValue.int(export.added),
        "files_removed": dg.MetadataValue.int(export.removed),
        "no_op": dg.MetadataValue.bool(export.no_op),
    }
    return dg.MaterializeResult(
        metadata=metadata, data_version=dg.DataVersion(str(export.table_version))
    )
