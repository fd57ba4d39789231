"""The reconciler: whatever is committed and not published is published."""

from collections.abc import Mapping, Sequence

import dagster as dg

from ..assets.declarations import FeatureGroup
from ..assets.factory.standing_checks import COMPLETE, Finding, completeness, unreachable
from ..assets.model_inputs import FeatureService
from ..assets.publishing import register_services, unpublished
from ..contract.errors import StoreUnavailableError
from ..resources.deployments import Deployment, Publishing
from .recorded import Findings, records_due
from .requests import is_planned, range_requests


def unpublished_sensor(
    groups: Sequence[FeatureGroup], services: Sequence[FeatureService]
) -> dg.SensorDefinition:
    """Requests `online` for what was left behind, and registers services that are not known online.

    A run in which some partitions fail commits the others, and Dagster skips what lies downstream
    of a failed step. A publish, or a flip, may break off; a store may come back empty. Then the
    whole catalogue is given back first, and everything that is due is published again. A group that
    a run is about to publish anyway is left to that run.

    The same look records the check `online_is_complete`, before anything is repaired: a store that
    lost its state is seen, however fast it is filled again.
    """
    published = [group for group in groups if group.spec.online is not None]
    keys = {group: dg.AssetKey(group.online_path) for group in published}

    @dg.sensor(
        name="unpublished",
        asset_selection=dg.AssetSelection.assets(*keys.values()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Publishes what is committed and not published.",
    )
    def reconcile(
        context: dg.SensorEvaluationContext, deployment: dg.ResourceParam[Deployment]
    ) -> dg.SensorResult:
        idle = [group for group in published if not is_planned(context.instance, keys[group])]
        try:
            with deployment.publishing(start=False) as publishing:
                found = _completeness(published, publishing)
                publishing.registry.project()
                left = unpublished(idle, deployment, publishing)
                register_services(services, idle, publishing)
        except StoreUnavailableError as error:
            return _unanswered(context, published, deployment, error)
        events, cursor = records_due(context.cursor, found, hourly=False)
        requests = [
            request
            for group, partitions in left.items()
            for request in range_requests(keys[group], partitions, group.partitions)
        ]
        said = None if requests else "Everything that is committed is published."
        return dg.SensorResult(
            run_requests=requests, skip_reason=said, asset_events=events, cursor=cursor
        )

    return reconcile


def _unanswered(
    context: dg.SensorEvaluationContext,
    groups: Sequence[FeatureGroup],
    deployment: Deployment,
    error: StoreUnavailableError,
) -> dg.SensorResult:
    """A store of one's own has to answer; the embedded one may be at rest."""
    if deployment.environment.redis is None:
        said = f"The embedded online store is not in use: {error}"
        return dg.SensorResult(skip_reason=said, cursor=context.cursor)
    context.log.error(str(error))
    found = {_check(group): unreachable(group, deployment) for group in groups}
    events, cursor = records_due(context.cursor, _known(found), hourly=False)
    return dg.SensorResult(skip_reason=str(error), asset_events=events, cursor=cursor)


def _completeness(groups: Sequence[FeatureGroup], publishing: Publishing) -> Findings:
    return _known({_check(group): completeness(group, publishing) for group in groups})


def _known(found: Mapping[dg.AssetCheckKey, Finding | None]) -> Findings:
    return {key: finding for key, finding in found.items() if finding is not None}


def _check(group: FeatureGroup) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(group.online_path), COMPLETE)
