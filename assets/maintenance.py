"""Maintenance of what is declared: the tables of groups, sources, dimensions, training sets."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from ..contract.errors import StoreError
from ..contract.feature_group import FeatureGroupSpec
from ..resources.deployments import Deployment
from ..resources.offline.maintenance.maintained import Kept, Maintenance, maintain_table
from ..resources.offline.maintenance.shared import maintain_shared
from ..resources.offline.maintenance.vacuum import MIN_AGE
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.receipt_store import ReceiptStore
from ..resources.offline.staging import remove_old
from ..resources.offline.tables_beside import held_table, quarantine_table
from ..resources.online.needed_generations import kept_for_publishing
from ..resources.online.online_store import OnlineStore
from .declarations import FeatureGroup
from .materialization import Materialized


def maintain(
    declared: Materialized,
    deployment: Deployment,
    *,
    min_age: timedelta = MIN_AGE,
    dry_run: bool = False,
) -> Maintenance:
    """Maintain the table of a declaration: history, compaction, checkpoint, vacuum.

    Idempotent, and changes no answer; commits, publishes and readers may go on. Of a feature group
    all versions stay readable that a stored receipt names, and all generations that publishing and
    proving may still read. Where it cannot be said which (the online store is out of reach),
    nothing is removed; the rest is done all the same. The tables beside it are maintained with it:
    rows that left a quarantine are gone for good `min_age` later, and so is what shards staged and
    nobody committed. With any group, what groups share is maintained (`maintain_shared`).

    Args:
        declared: What to maintain; nothing happens when nothing was ever committed.
        deployment: Its stores. The embedded online store is started if it was ever used.
        min_age: How long replaced files stay; see `vacuum`.
        dry_run: Only say what would be done.

    Raises:
        StoreUnavailableError: The offline store cannot be read or written.
        ReceiptUnreadableError: A stored receipt does not say which versions it names.
    """
    table = deployment.offline.table(declared.table)
    kept = Kept()
    if isinstance(declared, FeatureGroup) and table.exists():
        with _online(deployment) as online:
            kept = kept_versions(declared.spec, deployment.offline, online)
    if not dry_run:
        remove_old(deployment.offline, declared.table, min_age)
        if isinstance(declared, FeatureGroup):
            maintain_shared(deployment.offline, min_age)
    for beside in (quarantine_table(declared.table), held_table(declared.table)):
        maintain_table(deployment.offline.table(beside), Kept(), min_age=min_age, dry_run=dry_run)
    return maintain_table(table, kept, min_age=min_age, dry_run=dry_run)


def kept_versions(
    group: FeatureGroupSpec, offline: OfflineStore, online: OnlineStore | None
) -> Kept:
    """The versions of a group's table that stay readable, and why.

    Args:
        group: The group, whose table is there.
        offline: The store of its table and of the receipts.
        online: A namespace of the store in which all namespaces publish; `None`: out of reach.

    Raises:
        StoreUnavailableError: The offline store cannot be read.
        ReceiptUnreadableError: A stored receipt does not say which versions it names.
    """
    publishing = kept_for_publishing(group, offline, online)
    named = ReceiptStore(offline).named_versions().get(group.reference, set())
    receipts = dict.fromkeys(named, "named by a stored receipt")
    return Kept({**publishing.versions, **receipts}, publishing.unknown)


@contextmanager
def _online(deployment: Deployment) -> Iterator[OnlineStore | None]:
    """The online store; `None` when it is out of reach, or embedded and was never used."""
    environment = deployment.environment
    if environment.redis is None and not (environment.home / "valkey").exists():
        yield None
        return
    with ExitStack() as stack:
        try:
            online: OnlineStore | None = stack.enter_context(deployment.publishing()).online
        except StoreError:
            online = None
        yield online
