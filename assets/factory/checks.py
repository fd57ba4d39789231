"""The check of an asset: blocking, partition by partition, made by the asset before it commits."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from ..outcomes import Outcome
from ..rules import rule_in_words
from ..schemas import Schema
from ..verdicts import Breach

CHECK = "rows_keep_their_rules"
_LISTED = 50


def check_spec(
    key: dg.AssetKey, partitions: dg.PartitionsDefinition | None, schema: Schema | None
) -> dg.AssetCheckSpec:
    """The check that stands for all of an asset's rules."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=key,
        blocking=True,
        partitions_def=partitions,
        description=_rules(schema),
    )


def evaluation(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partition: str | None, outcome: Outcome
) -> dg.AssetCheckEvaluation | None:
    """The record of an outcome's verdict; `None` when there were no rows to judge.

    It names the materialization that Dagster shows it beside: its own, or the last good one. Rules
    that only warn make it a warning: the rows are committed.
    """
    if outcome.verdict is None:
        return None
    verdict = outcome.verdict
    metadata: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.int(verdict.rows),
        "breached_rules": dg.MetadataValue.int(len(verdict.breaches)),
        "quarantined_rows": dg.MetadataValue.int(outcome.quarantined),
        "no_op": dg.MetadataValue.bool(outcome.commit is not None and outcome.commit.no_op),
    }
    if verdict.breaches:
        metadata["breaches"] = dg.MetadataValue.md(_table(verdict.breaches[:_LISTED]))
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=CHECK,
        passed=not verdict.breaches,
        partition=partition,
        blocking=True,
        severity=dg.AssetCheckSeverity.WARN if verdict.passed else dg.AssetCheckSeverity.ERROR,
        description=str(verdict),
        metadata=metadata,
        target_materialization_data=latest_materialization(context, key, partition),
    )


def _rules(schema: Schema | None) -> str:
    """What rows must fulfil beyond their types, column by column."""
    columns = {} if schema is None else schema.to_schema().columns
    rules = [
        f"`{name}` {', '.join(map(rule_in_words, column.checks))}"
        for name, column in columns.items()
        if column.checks
    ]
    common = "Columns, types, nulls, keys and event timestamps are as declared"
    return "; ".join([common, *rules]) + "."


def latest_materialization(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partition: str | None
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """The newest record of a partition, which an evaluation has to name.

    Dagster shows no status for one that names none, or another.
    """
    wanted = dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=None if partition is None else [partition]
    )
    records = context.instance.fetch_materializations(wanted, limit=1).records
    if not records:
        return None
    return AssetCheckEvaluationTargetMaterializationData(
        run_id=records[0].run_id,
        storage_id=records[0].storage_id,
        timestamp=records[0].timestamp,
    )


def _table(breaches: Sequence[Breach]) -> str:
    rows = "\n".join(
        f"| {breach.rule} | {breach.column or ''} | {breach.count or ''} | {breach.severity} |"
        for breach in breaches
    )
    return f"| rule | column | rows | severity |\n| --- | --- | ---: | --- |\n{rows}"
