"""`sources/<name>`: raw rows, read from outside partition by partition."""

import dagster as dg

from ...contract.clock import Clock
from ..declarations import Source
from .committed import Committed, committed_asset
from .partitions import partitions_definition


def source_asset(source: Source, clock: Clock) -> dg.AssetsDefinition:
    """The asset of a source."""
    due = source.partitions.length + source.lateness
    return committed_asset(
        Committed(
            declared=source,
            key=dg.AssetKey(source.asset_path),
            schema=source.schema,
            group_name="sources",
            owners=source.owners,
            description=source.description,
            tags=dict(source.tags),
            partitions=partitions_definition(source, clock),
            freshness=dg.FreshnessPolicy.time_window(fail_window=due),
            resources=source.resources,
        )
    )
