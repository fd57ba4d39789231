"""How old the data of each group are, looked at every minute."""

from collections.abc import Sequence
from typing import TypeAlias

import dagster as dg

from ..assets.declarations import FeatureGroup
from ..assets.factory.standing_checks import (
    FRESHNESS,
    Finding,
    committed_freshness,
    published_freshness,
)
from ..contract.clock import Clock
from ..contract.errors import StoreUnavailableError
from ..resources.deployments import Deployment
from .recorded import records_due

_Judged: TypeAlias = dict[dg.AssetCheckKey, Finding | None]


def freshness_sensor(groups: Sequence[FeatureGroup], clock: Clock) -> dg.SensorDefinition:
    """Records the check `freshness` of all groups that have data: when it changes, and hourly.

    Reads the tables' logs where they grew, and the state of each published group; no rows. Of an
    online store that does not answer nothing is recorded here: `unpublished` does that.
    """

    @dg.sensor(
        name="freshness",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Records how old the data of each group are, against what it promises.",
    )
    def look(
        context: dg.SensorEvaluationContext, deployment: dg.ResourceParam[Deployment]
    ) -> dg.SensorResult:
        judged = _committed(groups, deployment, clock) | _published(groups, deployment, clock)
        found = {key: finding for key, finding in judged.items() if finding is not None}
        events, cursor = records_due(context.cursor, found, hourly=clock.frozen_at is None)
        overdue = sum(not finding.passed for finding in found.values())
        said = f"{overdue} of {len(found)} tables and online states are older than promised."
        return dg.SensorResult(asset_events=events, cursor=cursor, skip_reason=said)

    return look


def _committed(groups: Sequence[FeatureGroup], deployment: Deployment, clock: Clock) -> _Judged:
    return {
        _key(group.offline_path): committed_freshness(group, deployment, clock) for group in groups
    }


def _published(groups: Sequence[FeatureGroup], deployment: Deployment, clock: Clock) -> _Judged:
    published = [group for group in groups if group.spec.online is not None]
    try:
        with deployment.publishing(start=False) as publishing:
            return {
                _key(group.online_path): published_freshness(group, publishing, clock)
                for group in published
            }
    except StoreUnavailableError:
        return {}


def _key(asset_path: Sequence[str]) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(asset_path), FRESHNESS)
