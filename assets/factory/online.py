"""`online/<group>`: what is committed, published to the online store."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.storage.tags import AUTOMATION_CONDITION_TAG

from ...contract.clock import Clock
from ...resources.deployments import Deployment
from ...resources.online.publisher import Publication
from ..declarations import FeatureGroup
from ..freshness import published_partitions
from ..model_inputs import FeatureService
from ..outcomes import Stopwatch
from ..publishing import publish_partitions, register_services
from .automation import when_inputs_change
from .code_references import code_reference
from .metadata import Metadata, age_metadata
from .online_check import online_check_spec, online_evaluation, verified
from .partitions import backfills_in_chunks, partitions_definition
from .provenance import input_tags
from .standing_checks import online_evaluations, online_specs
from .steps import Event, materialization, outputs
from .tracing import traced


def online_asset(
    group: FeatureGroup, services: Sequence[FeatureService], clock: Clock
) -> dg.AssetsDefinition:
    """The asset of a group's rows in the online store.

    It projects the committed rows, whatever came of the latest computation: after a failed check
    that is the last good commit of the partition, or nothing. Commits that were deferred are
    published when somebody launches it, not when automation does.
    """
    key, offline = dg.AssetKey(group.online_path), dg.AssetKey(group.offline_path)
    partitions = partitions_definition(group, clock)

    @dg.asset(
        key=key,
        deps=[offline],
        partitions_def=partitions,
        check_specs=[
            online_check_spec(key, partitions, group.spec.reference),
            *online_specs(key),
        ],
        backfill_policy=backfills_in_chunks(),
        output_required=False,
        automation_condition=when_inputs_change(together=[offline], apart=[]),
        code_version=group.code_version,
        description=f"The rows of {group.spec.reference} that the feature server answers with.",
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=group.freshness),
        group_name=group.entity.name,
        metadata=code_reference(group.function),
        kinds={"redis"},
        owners=group.spec.owners,
        pool="/".join(key.path),
        tags=dict(group.spec.tags),
    )
    def publish(
        context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]
    ) -> Iterator[Event]:
        published = _publish(context, group, services, deployment, clock=clock)
        yield from traced(context, published)

    return publish


def _publish(
    context: dg.AssetExecutionContext,
    group: FeatureGroup,
    services: Sequence[FeatureService],
    deployment: Deployment,
    *,
    clock: Clock,
) -> Iterator[Event]:
    published: set[str] = set()
    elapsed, inputs = Stopwatch(), input_tags(context)
    deferred = AUTOMATION_CONDITION_TAG not in context.run.tags
    with deployment.publishing() as publishing:
        newest = max(published_partitions(group, publishing) or [""])
        for each in publish_partitions(
            group, context.partition_keys, deployment, publishing, deferred=deferred
        ):
            took = elapsed()
            found = verified(group, each.partition, deployment=deployment, publishing=publishing)
            published.add(each.partition)
            newest = max(newest, each.partition)
            metadata = {
                **_metadata(each),
                **age_metadata(group.partitions.window(newest).end, clock.now()),
                "seconds": dg.MetadataValue.float(round(took, 4)),
            }
            if found is not None and found.consistency is not None:
                metadata["consistency"] = dg.MetadataValue.float(found.consistency.share)
            versions = (each.generation, group.code_version)
            yield materialization(
                context.asset_key, each.partition, metadata, versions=versions, inputs=inputs
            )
            yield online_evaluation(context, each.partition, found)
            elapsed = Stopwatch()
        register_services(services, [group], publishing)
        yield from online_evaluations(group, publishing, clock)
    for partition in sorted(set(context.partition_keys) - published):
        context.log.warning("%s: nothing is committed that may be published", partition)
    yield from outputs(context)


def _metadata(publication: Publication) -> Metadata:
    replicas = {} if publication.replicas is None else {"replicas": publication.replicas}
    return {
        **{name: dg.MetadataValue.int(number) for name, number in replicas.items()},
        "generation": dg.MetadataValue.int(publication.generation),
        "table_version": dg.MetadataValue.int(publication.table_version),
        "rows_written": dg.MetadataValue.int(publication.rows_written),
        "rows_lost": dg.MetadataValue.int(publication.rows_lost),
        "rows_retracted": dg.MetadataValue.int(publication.rows_retracted),
        "batches_fast": dg.MetadataValue.int(publication.batches_fast),
        "batches_aborted": dg.MetadataValue.int(publication.batches_aborted),
        "batches_guarded": dg.MetadataValue.int(publication.batches_guarded),
        "superseded": dg.MetadataValue.bool(publication.superseded),
        "already_published": dg.MetadataValue.bool(publication.already_published),
    }
