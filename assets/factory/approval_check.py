"""The check of a group whose partitions wait for approval: is what was computed committed."""

import dagster as dg

from ..approval import approval_of
from ..declarations import FeatureGroup
from ..materialization import Materialized
from ..outcomes import Outcome
from .checks import latest_materialization

APPROVED = "is_approved"


def approval_specs(
    declared: Materialized, key: dg.AssetKey, partitions: dg.PartitionsDefinition | None
) -> list[dg.AssetCheckSpec]:
    """The check, of a group that is declared with `approval=True`.

    It blocks nothing: what is held is not committed, so nobody downstream sees it.
    """
    if not (isinstance(declared, FeatureGroup) and declared.approval):
        return []
    reference = declared.spec.reference
    return [
        dg.AssetCheckSpec(
            APPROVED,
            asset=key,
            blocking=False,
            partitions_def=partitions,
            description=f"What was computed last is committed. It is held until somebody runs"
            f" `headrace approve {reference} PARTITION --reason …`; until then training, online and"
            " downstream see what the partition held before.",
        )
    ]


def approval_evaluation(
    context: dg.AssetExecutionContext, declared: FeatureGroup, outcome: Outcome
) -> dg.AssetCheckEvaluation | None:
    """The record of an outcome that is held, or that was approved; else `None`."""
    metadata: dict[str, dg.MetadataValue] = {}
    if outcome.held is not None:
        command = f"headrace approve {declared.spec.reference} {outcome.partition} --reason …"
        description = f"{outcome.held.rows} rows are held; to commit them: {command}"
        metadata = {
            "held_rows": dg.MetadataValue.int(outcome.held.rows),
            "held_since": dg.MetadataValue.timestamp(outcome.held.committed_at),
            "held_by_run": dg.MetadataValue.text(outcome.held.run_id),
            "approve": dg.MetadataValue.text(command),
        }
    elif outcome.commit is not None:
        approval = approval_of(outcome.commit)
        description = "Committed before the group was declared with approval=True."
        if approval is not None:
            description = f"Approved by {approval.by}: {approval.reason}"
            metadata = {
                "approved_by": dg.MetadataValue.text(approval.by),
                "reason": dg.MetadataValue.text(approval.reason),
                "approved_at": dg.MetadataValue.timestamp(approval.approved_at),
            }
    else:
        return None
    return dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=APPROVED,
        passed=outcome.held is None,
        partition=outcome.partition,
        blocking=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
        target_materialization_data=latest_materialization(
            context, context.asset_key, outcome.partition
        ),
    )
