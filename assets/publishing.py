"""Publishing what is committed: the partitions of a run, and whatever was left behind."""

from collections.abc import Iterable, Iterator, Sequence

from ..contract.document import decode_document
from ..resources.deployments import Deployment, Publishing
from ..resources.offline.table_spec import feature_table
from ..resources.online.publisher import Publication, publish_partition
from ..resources.online.rebuild import Rebuild, rebuild_group
from ..resources.online.reconciliation import unpublished_partitions
from .declarations import FeatureGroup
from .discovery import Declarations
from .model_inputs import FeatureService


def publish_partitions(
    group: FeatureGroup,
    partitions: Iterable[str],
    deployment: Deployment,
    publishing: Publishing,
    *,
    deferred: bool = True,
) -> Iterator[Publication]:
    """Publish the newest commit of each partition, in time's order; passes over what has none.

    Commits that were deferred are passed over, too, unless `deferred` asks for them; so is a
    version that was dropped.

    Raises:
        StoreError: A store broke off; what was yielded is published, and the call may be repeated.
    """
    table = deployment.offline.table(group.table)
    commits = table.snapshot().commits
    if (group.name, group.version) in publishing.registry.recorded().dropped:
        return
    for partition in sorted(set(partitions) & set(commits)):
        if deferred or commits[partition].publish != "deferred":
            yield publish_partition(
                group.spec,
                table,
                partition,
                online=publishing.online,
                registry=publishing.registry,
            )


def register_services(
    services: Iterable[FeatureService], groups: Iterable[FeatureGroup], publishing: Publishing
) -> None:
    """Tell the server of the feature services that read any of these groups, if it knows one.

    A service that stands there as declared is not written again.
    """
    known = publishing.online.manifest().groups
    published = [group for group in groups if group.name in known]
    readers = [
        service.spec
        for service in services
        if any(feature.group is group for feature in service.features for group in published)
    ]
    if readers:
        publishing.registry.register_services(readers)


def unpublished(
    groups: Iterable[FeatureGroup], deployment: Deployment, publishing: Publishing
) -> dict[FeatureGroup, Sequence[str]]:
    """The partitions whose newest commit is not published, of the groups that have any.

    A commit that was deferred is none of them. They are left behind where a step failed after it
    had committed, a publish broke off, or the online store was replaced.
    """
    recorded = publishing.registry.recorded()
    left = {
        group: unpublished_partitions(
            group.spec, deployment.offline.table(group.table), publishing.online, recorded
        )
        for group in groups
        if group.spec.online is not None
    }
    return {group: partitions for group, partitions in left.items() if partitions}


def publish_unpublished(
    declarations: Declarations,
    deployment: Deployment,
    groups: Iterable[FeatureGroup] | None = None,
) -> list[Publication]:
    """Publish what is committed and not published, of these groups or of all that are declared.

    A command does so before it exits, because Dagster skips `online` in a run with failures.
    """
    published: list[Publication] = []
    wanted = list(declarations.groups.values() if groups is None else groups)
    with deployment.publishing() as publishing:
        publishing.registry.project()
        for group, partitions in unpublished(wanted, deployment, publishing).items():
            published += publish_partitions(group, partitions, deployment, publishing)
        register_services(declarations.services.values(), wanted, publishing)
    return published


def rebuild_groups(
    groups: Iterable[FeatureGroup],
    declarations: Declarations,
    deployment: Deployment,
    *,
    everything: bool = False,
) -> Iterator[Rebuild]:
    """Write all that is due of these groups into the online store; the catalogue comes first.

    Passes over versions that were dropped, and groups that are never published, or of which nothing
    is committed. With `everything` versions follow that are published, but not declared any more.

    Raises:
        StoreError: A store broke off; the call may be repeated.
    """
    wanted = list(groups)
    with deployment.publishing() as publishing:
        publishing.registry.project()
        recorded = publishing.registry.recorded()
        specs = {(group.name, group.version): group.spec for group in wanted}
        if everything:
            others = sorted(recorded.versions.keys() - specs.keys())
            specs |= {key: decode_document(recorded.versions[key].document) for key in others}
        for key, spec in specs.items():
            table = deployment.offline.table(feature_table(spec))
            if spec.online is not None and key not in recorded.dropped and table.snapshot().commits:
                yield rebuild_group(
                    spec, table, online=publishing.online, registry=publishing.registry
                )
        register_services(declarations.services.values(), wanted, publishing)
