"""Which kind of store a URL names, and what stands for a group in it."""

from ...contract.environment import Environment
from ...contract.store_address import cluster_address
from .cluster_group import ClusterGroup
from .cluster_store import ClusterStore, Shard
from .online_group import OnlineGroup
from .online_store import OnlineStore
from .shard_group import ShardGroup


def open_store(environment: Environment) -> OnlineStore:
    """The store that `HEADRACE_REDIS` names, or the embedded Valkey of the home."""
    address = cluster_address(environment.redis_url)
    if address is None:
        return OnlineStore.from_env(environment)
    return ClusterStore(
        address, environment.redis_url, environment.namespace, environment.durability
    )


def group_in(store: OnlineStore, group_id: int, reference: str) -> OnlineGroup:
    """The online side of one group version.

    Args:
        store: Where its rows are: a store, or one of its parts.
        group_id: What stands for it in every key.
        reference: What messages call it: `group@version`.
    """
    if isinstance(store, ClusterStore):
        return ClusterGroup(store, group_id, reference)
    if isinstance(store, Shard):
        return ShardGroup(store, group_id, reference)
    return OnlineGroup(store, group_id, reference)
