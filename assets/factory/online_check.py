"""The check of `online/…`: what is served of a partition's entities is what was committed."""

import dagster as dg

from ...resources.deployments import Deployment, Publishing
from ...resources.online.verification import Verification, verify_partition
from ..declarations import FeatureGroup
from .checks import latest_materialization
from .metadata import Metadata

ONLINE_CHECK = "online_matches_offline"
_SAMPLE = 1000
_SUPERSEDED = "No row of this partition is served."


def online_check_spec(
    key: dg.AssetKey, partitions: dg.PartitionsDefinition, reference: str
) -> dg.AssetCheckSpec:
    """The check that the step makes of each partition that it published; it blocks nothing.

    What is published cannot be taken back by a check: it shows, and `headrace verify` says more.
    """
    return dg.AssetCheckSpec(
        ONLINE_CHECK,
        asset=key,
        blocking=False,
        partitions_def=partitions,
        description=(
            f"Rows of {_SAMPLE:,} entities of the partition (of all when there are no more) are"
            " compared with the offline table, byte by byte; rows drawn from the online store are"
            f" looked up there. `headrace verify {reference}` compares all, and lists differences."
        ),
    )


def verified(
    group: FeatureGroup, partition: str, *, deployment: Deployment, publishing: Publishing
) -> Verification | None:
    """Compare a partition that was just published.

    `None`, and nothing is read, where no row of it is served: a later one of a snapshot group is.
    """
    return verify_partition(
        group.spec,
        deployment.offline.table(group.table),
        partition,
        online=publishing.online,
        registry=publishing.registry,
        sample=_SAMPLE,
    )


def online_evaluation(
    context: dg.AssetExecutionContext, partition: str, found: Verification | None
) -> dg.AssetCheckEvaluation:
    """The record of what was found."""
    return dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=ONLINE_CHECK,
        passed=found is None or found.is_clean,
        partition=partition,
        blocking=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_SUPERSEDED if found is None else _described(found),
        metadata=_metadata(found),
        target_materialization_data=latest_materialization(context, context.asset_key, partition),
    )


def _described(found: Verification) -> str:
    wrong = [
        f"{count} {problem}"
        for problem, count in (
            ("differing", found.differing),
            ("missing", found.missing),
            ("extra", found.extra),
        )
        if count
    ]
    return ", ".join([*wrong, f"{found.equal} equal"])


def _metadata(found: Verification | None) -> Metadata:
    """Numbers, which Dagster plots over time; no entity is named outside the stores."""
    metadata: Metadata = {"partition_is_served": dg.MetadataValue.bool(found is not None)}
    if found is None:
        return metadata
    counts = ("equal", "differing", "missing", "extra", "superseded", "searched")
    metadata |= {name: dg.MetadataValue.int(getattr(found, name) or 0) for name in counts}
    metadata["sampled"] = dg.MetadataValue.bool(found.sampled)
    if found.consistency is not None:
        metadata["consistency"] = dg.MetadataValue.float(found.consistency.share)
        metadata["consistency_low"] = dg.MetadataValue.float(found.consistency.low)
        metadata["consistency_high"] = dg.MetadataValue.float(found.consistency.high)
    return metadata
