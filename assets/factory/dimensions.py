"""`dimensions/<name>`: facts that are not cut by time, read and versioned as a whole."""

import dagster as dg

from ..declarations import Dimension
from .committed import Committed, committed_asset


def dimension_asset(dimension: Dimension) -> dg.AssetsDefinition:
    """The asset of a dimension."""
    return committed_asset(
        Committed(
            declared=dimension,
            key=dg.AssetKey(dimension.asset_path),
            schema=dimension.schema,
            group_name="dimensions",
            owners=dimension.owners,
            description=dimension.description,
            tags=dict(dimension.tags),
        )
    )
