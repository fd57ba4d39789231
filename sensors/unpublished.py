"""The reconciler: whatever is committed and not published is published."""

from collections.abc import Iterator, Sequence

import dagster as dg

from ..assets.declarations import FeatureGroup
from ..assets.model_inputs import FeatureService
from ..assets.publishing import register_services, unpublished
from ..contract.errors import StoreUnavailableError
from ..resources.deployments import Deployment
from .requests import is_planned, range_requests


def unpublished_sensor(
    groups: Sequence[FeatureGroup], services: Sequence[FeatureService]
) -> dg.SensorDefinition:
    """Requests `online` for what was left behind, and registers services that are not known online.

    A run in which some partitions fail commits the others, and Dagster skips what lies downstream
    of a failed step. A publish, or a flip, may break off; a store may come back empty. Then the
    whole catalogue is given back first, and everything that is due is published again. A group that
    a run is about to publish anyway is left to that run.
    """
    published = [group for group in groups if group.spec.online is not None]
    keys = {group: dg.AssetKey(group.online_path) for group in published}

    @dg.sensor(
        name="unpublished",
        asset_selection=dg.AssetSelection.assets(*keys.values()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Publishes what is committed and not published.",
    )
    def reconcile(
        context: dg.SensorEvaluationContext, deployment: dg.ResourceParam[Deployment]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        idle = [group for group in published if not is_planned(context.instance, keys[group])]
        try:
            with deployment.publishing(start=False) as publishing:
                publishing.registry.project()
                left = unpublished(idle, deployment, publishing)
                register_services(services, idle, publishing)
        except StoreUnavailableError as error:
            if deployment.environment.redis is not None:
                raise
            yield dg.SkipReason(f"The embedded online store is not in use: {error}")
            return
        for group, partitions in left.items():
            yield from range_requests(keys[group], partitions, group.partitions)
        if not left:
            yield dg.SkipReason("Everything that is committed is published.")

    return reconcile
