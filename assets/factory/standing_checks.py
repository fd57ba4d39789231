"""Checks of a group as a whole, which a sensor makes every minute: how fresh, whether complete.

They have no partitions, so that a sensor may record them without a run, as often as it likes. The
same check can be executed by hand, and is made in every run that computes or publishes the group.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import dagster as dg

from ...contract.clock import Clock
from ...contract.errors import StoreUnavailableError
from ...resources.deployments import Deployment, Publishing
from ...resources.offline.catalogue_table import CatalogueTable
from ...resources.online.reconciliation import is_complete, was_published
from ..declarations import FeatureGroup
from ..freshness import SCORED, Freshness, freshness, freshness_score, published_partitions
from .metadata import Metadata

FRESHNESS = "freshness"
COMPLETE = "online_is_complete"
_GONE = "The online store does not answer."


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a group found; holds names of partitions and numbers, never values of rows."""

    passed: bool
    description: str
    metadata: Metadata = field(default_factory=dict)
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    def evaluation(self, key: dg.AssetKey, check: str) -> dg.AssetCheckEvaluation:
        """The record of it that belongs to no run."""
        return dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=check,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )

    def result(self) -> dg.AssetCheckResult:
        """What a step yields."""
        return dg.AssetCheckResult(
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )


def standing_checks(groups: Sequence[FeatureGroup], clock: Clock) -> list[dg.AssetChecksDefinition]:
    """The checks of all groups: freshness of what is committed, and of what is published."""
    published = [group for group in groups if group.spec.online is not None]
    return [
        *(_committed_check(group, clock) for group in groups),
        *(_published_check(group, clock) for group in published),
        *(_complete_check(group) for group in published),
    ]


def committed_freshness(group: FeatureGroup, deployment: Deployment, clock: Clock) -> Finding:
    """How fresh the offline table is; with its score, where time passes."""
    snapshot, now = deployment.offline.table(group.table).snapshot(), clock.now()
    found = freshness(group, snapshot.commits, now)
    metadata = _metadata(found, now)
    if clock.frozen_at is None:
        score = freshness_score(group, tuple(snapshot.log.commits), now - SCORED, now)
        if score is not None:
            metadata["freshness_score"] = dg.MetadataValue.float(score)
    return _judged(found, metadata)


def published_freshness(
    group: FeatureGroup, publishing: Publishing, clock: Clock
) -> Finding | None:
    """How fresh the answers are; `None` while nothing is published."""
    partitions = published_partitions(group, publishing)
    if partitions is None:
        return None
    now = clock.now()
    found = freshness(group, partitions, now)
    return _judged(found, _metadata(found, now))


def completeness(group: FeatureGroup, publishing: Publishing) -> Finding | None:
    """Whether the online store still has what was published; `None` when nothing ever was."""
    recorded = publishing.registry.recorded()
    if not was_published(group.spec, recorded):
        return None
    if is_complete(group.spec, publishing.online):
        return Finding(passed=True, description="It answers for every entity.")
    return Finding(
        passed=False,
        description=(
            "The online store does not hold all that is due: every value is ERROR until it does."
            " The sensor `unpublished` publishes it again."
        ),
    )


def unreachable(group: FeatureGroup, deployment: Deployment) -> Finding | None:
    """What is said of a group whose online store does not answer; `None` as in `completeness`."""
    catalogue = CatalogueTable(deployment.offline)
    if not was_published(group.spec, catalogue.read(deployment.environment.namespace)):
        return None
    return Finding(passed=False, description=_GONE)


def _committed_check(group: FeatureGroup, clock: Clock) -> dg.AssetChecksDefinition:
    def found(deployment: Deployment) -> Finding:
        return committed_freshness(group, deployment, clock)

    return _check(dg.AssetKey(group.offline_path), FRESHNESS, _FRESH, found)


def _published_check(group: FeatureGroup, clock: Clock) -> dg.AssetChecksDefinition:
    def found(deployment: Deployment) -> Finding:
        with deployment.publishing(start=False) as publishing:
            made = published_freshness(group, publishing, clock)
        return made or Finding(passed=False, description="Nothing is published.")

    return _check(dg.AssetKey(group.online_path), FRESHNESS, _FRESH, found)


def _complete_check(group: FeatureGroup) -> dg.AssetChecksDefinition:
    def found(deployment: Deployment) -> Finding:
        try:
            with deployment.publishing(start=False) as publishing:
                made = completeness(group, publishing)
        except StoreUnavailableError:
            return Finding(passed=False, description=_GONE)
        return made or Finding(passed=False, description="Nothing is published.")

    return _check(dg.AssetKey(group.online_path), COMPLETE, _WHOLE, found)


_FRESH = (
    "Data age: the newest partition ended no longer ago than the group promises. A backfill of an"
    " older partition does not change it. Severity is WARN while the due partition is being made."
)
_WHOLE = "All that is due is in the online store; a store that lost it answers ERROR until then."


def _check(
    key: dg.AssetKey, name: str, description: str, found: Callable[[Deployment], Finding]
) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=name, description=description, blocking=False)
    def check(deployment: dg.ResourceParam[Deployment]) -> dg.AssetCheckResult:
        return found(deployment).result()

    return check


def _judged(found: Freshness, metadata: Metadata) -> Finding:
    finding = Finding(found.is_fresh, str(found), metadata)
    if found.is_fresh or found.is_violated:
        return finding
    return replace(finding, severity=dg.AssetCheckSeverity.WARN)


def _metadata(found: Freshness, now: datetime) -> Metadata:
    """Numbers, which Dagster plots over time; the age is the clock's, which may be frozen."""
    metadata: Metadata = {
        "target_seconds": dg.MetadataValue.int(int(found.target.total_seconds())),
        "expected_partition": dg.MetadataValue.text(found.expected),
        "missing_partitions": dg.MetadataValue.int(found.gaps),
        "clock": dg.MetadataValue.timestamp(now),
    }
    if found.newest is not None and found.age is not None:
        metadata["newest_partition"] = dg.MetadataValue.text(found.newest)
        metadata["age_seconds"] = dg.MetadataValue.int(int(found.age.total_seconds()))
    return metadata
