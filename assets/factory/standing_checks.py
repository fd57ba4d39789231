"""Checks of a group as a whole, which sensors make every minute: how fresh, whether complete.

They have no partitions, so that a sensor may record them without a run, as often as it likes. The
steps that commit and publish make them, too, at their end; a step of its own would cost a process
where each step has one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

import dagster as dg

from ...contract.clock import Clock
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
        """The record of it, of a run or without one."""
        return dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=check,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )


def offline_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The check of what is committed."""
    return [dg.AssetCheckSpec(FRESHNESS, asset=key, description=_FRESH)]


def online_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of what is published."""
    return [
        dg.AssetCheckSpec(FRESHNESS, asset=key, description=_FRESH),
        dg.AssetCheckSpec(COMPLETE, asset=key, description=_WHOLE),
    ]


def offline_evaluations(
    group: FeatureGroup, deployment: Deployment
) -> Iterator[dg.AssetCheckEvaluation]:
    """What is found of it."""
    finding = committed_freshness(group, deployment, deployment.environment.clock())
    if finding is not None:
        yield finding.evaluation(dg.AssetKey(group.offline_path), FRESHNESS)


def online_evaluations(
    group: FeatureGroup, publishing: Publishing, clock: Clock
) -> Iterator[dg.AssetCheckEvaluation]:
    """What is found of them in an open store, of a group that was published."""
    found = {
        FRESHNESS: published_freshness(group, publishing, clock),
        COMPLETE: completeness(group, publishing),
    }
    for check, finding in found.items():
        if finding is not None:
            yield finding.evaluation(dg.AssetKey(group.online_path), check)


def committed_freshness(
    group: FeatureGroup, deployment: Deployment, clock: Clock
) -> Finding | None:
    """How fresh the offline table is, with its score, where time passes.

    `None` while nothing is committed: to load a group's history is somebody's decision, and nobody
    is late with it.
    """
    snapshot, now = deployment.offline.table(group.table).snapshot(), clock.now()
    if not snapshot.commits:
        return None
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


_FRESH = (
    "Data age: the newest partition ended no longer ago than the group promises. A backfill of an"
    " older partition does not change it. Severity is WARN while the due partition is being made."
)
_WHOLE = "All that is due is in the online store; a store that lost it answers ERROR until then."


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
