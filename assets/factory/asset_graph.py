"""Everything that is declared, as Dagster assets."""

from collections.abc import Sequence

import dagster as dg

from ...contract.clock import Clock
from ..discovery import Declarations
from .dimensions import dimension_asset
from .iceberg import iceberg_asset
from .maintenance import maintenance_asset
from .offline import offline_asset
from .online import online_asset
from .online_garbage import online_garbage_asset
from .sources import source_asset
from .training import training_set_asset


def build_assets(
    declarations: Declarations, clock: Clock, *, in_shards: bool = False
) -> Sequence[dg.AssetsDefinition]:
    """The assets of all declarations; they need the resource `deployment`.

    With `in_shards` groups that declare shards are computed by a step for each. Where all steps run
    in one process that would only cost.
    """
    services = list(declarations.services.values())
    groups = declarations.groups.values()
    return [
        *(source_asset(source, clock) for source in declarations.sources.values()),
        *(dimension_asset(dimension) for dimension in declarations.dimensions.values()),
        *(offline_asset(group, clock, in_shards=in_shards) for group in groups),
        *(
            online_asset(group, services, clock)
            for group in groups
            if group.spec.online is not None
        ),
        *(iceberg_asset(group) for group in groups),
        *(training_set_asset(each, clock) for each in declarations.training_sets.values()),
        *(maintenance_asset(each) for each in declarations.tables),
        *([online_garbage_asset()] if any(group.spec.online for group in groups) else []),
    ]
