"""Which primary of a Cluster has which slots."""

import json
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import redis
from redis.cluster import ClusterNode, RedisCluster

from ...contract.cluster_slots import SLOTS, primary_tag
from .byte_column import Integers


@dataclass(frozen=True, slots=True)
class Primary:
    """A node that has slots.

    Attributes:
        slots: Their ranges, first and last of each.
        tag: What puts a key into one of them, and names them: `None` if no row can lie in them.
    """

    node: ClusterNode
    slots: tuple[tuple[int, int], ...]
    tag: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The primaries of a Cluster, in the order of their first slots.

    Attributes:
        owner: By slot, the place of its primary.
    """

    primaries: tuple[Primary, ...]
    owner: Integers

    @property
    def document(self) -> bytes:
        """Equal as long as no slot was moved; a failover does not change it."""
        return json.dumps([primary.slots for primary in self.primaries]).encode()


def layout_of(cluster: RedisCluster) -> Layout:
    """Ask the nodes of a Cluster for it.

    Raises:
        redis.RedisError: None answers, or some slot has no primary.
    """
    cluster.nodes_manager.initialize()
    cache = cluster.nodes_manager.slots_cache
    if any(not cache.get(slot) for slot in range(SLOTS)):
        reason = "not all slots of the Cluster have a primary"
        raise redis.ConnectionError(reason)
    nodes: dict[str, ClusterNode] = {}
    ranges: dict[str, list[tuple[int, int]]] = {}
    for name, run in groupby(range(SLOTS), lambda slot: cache[slot][0].name):
        slots = list(run)
        nodes[name] = cache[slots[0]][0]
        ranges.setdefault(name, []).append((slots[0], slots[-1]))
    owner = np.zeros(SLOTS, np.int64)
    for place, its_ranges in enumerate(ranges.values()):
        for first, last in its_ranges:
            owner[first : last + 1] = place
    primaries = tuple(
        Primary(nodes[name], tuple(its_ranges), primary_tag(its_ranges))
        for name, its_ranges in ranges.items()
    )
    return Layout(primaries, owner)
