"""A Cluster as an online store: one store for each of its primaries, and a catalogue for all.

A primary's share of a group is a state of its own: floor, watermark, intents, epoch and markers lie
on the primary whose rows they speak of, under a tag of one of its slots, and are lost with them.
Which slots a primary has is recorded with the first write. While that differs from what the Cluster
says, nothing is written or read: a state would judge rows of which it knows nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar, cast

import numpy as np
import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException

from ...contract import store_keys
from ...contract.cluster_slots import slot_of
from ...contract.durability import Durability
from ...contract.errors import StoreUnavailableError, UnsupportedStoreError
from ...contract.store_address import ClusterAddress, shown_address
from .byte_column import ByteColumn, Integers
from .cluster_layout import Layout, Primary, layout_of
from .connecting import OPTIONS, tls_options
from .key_encoding import key_slots, key_tags
from .online_store import OnlineStore

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Topology:
    """The primaries of a Cluster, as it said last, and the store that each of them is."""

    layout: Layout
    shards: tuple["Shard", ...]


class ClusterStore(OnlineStore):
    """One namespace of a Cluster. Connects when it is first used; threads may share it."""

    def __init__(
        self,
        address: ClusterAddress,
        url: str,
        namespace: str,
        durability: Durability | None = None,
    ) -> None:
        """Name the Cluster and the part of it.

        Args:
            address: Some of its nodes.
            url: From which the address was read, for messages.
            namespace: Part of every key.
            durability: How many replicas of each primary a publish waits for.
        """
        self.namespace = namespace
        self.durability = durability or Durability()
        self.address = shown_address(url)
        self._nodes = address
        self._cluster: RedisCluster | None = None
        self._topology: Topology | None = None
        self._manifest = None
        self._loaded = False

    def close(self) -> None:
        """Give the connections back; the next use makes new ones."""
        cluster, self._cluster, self._topology = self._cluster, None, None
        if cluster is not None:
            cluster.close()

    @property
    def catalogue_namespace(self) -> str:
        """The namespace as a tag: pointer, manifests and documents are lost together or not."""
        return f"{{{self.namespace}}}"

    def parts(self) -> Sequence[OnlineStore]:
        """The primaries."""
        return self.topology().shards

    def of_namespace(self, namespace: str) -> Self:
        """Another namespace of the same Cluster, over the same connections."""
        with self.errors():
            other = super().of_namespace(namespace)
        other.forget()
        return other

    def check(self) -> None:
        """Make sure that each primary can be published to, and load the Functions.

        Raises:
            EvictionPolicyError: One would evict rows when its memory is full.
            UnsupportedStoreError: Slots were moved between primaries since rows were written.
            StoreUnavailableError: The Cluster, or one of its primaries, does not answer.
        """
        for shard in self.topology().shards:
            shard.check()

    @contextmanager
    def errors(self, group: str = "the catalogue", partition: str = "all") -> Iterator[redis.Redis]:
        """Speak to the Cluster as a whole, for keys that lie anywhere; as for one server."""
        with super().errors(group, partition) as client:
            try:
                yield client
            except RedisClusterException as error:
                raise redis.ConnectionError(str(error)) from error

    def call_many(
        self,
        function: str,
        calls: Sequence[tuple[Sequence[bytes], Sequence[bytes | str | int]]],
    ) -> list[Any]:
        """Call a Function of the primary that has the first key of each list."""
        return [
            self.repeated(partial(self._call_of_key, function, keys, arguments))
            for keys, arguments in calls
        ]

    def repeated(self, call: Callable[[], Result]) -> Result:
        """Do it, and once more if a primary fails: then it is asked who is primary by now.

        Only for what may begin anew. The rows of a publish that a failover interrupts are not sent
        again one by one, because those before them may be lost: its marker will be refused.
        """
        try:
            return call()
        except StoreUnavailableError:
            return call()

    def places(self, keys: ByteColumn) -> tuple[Integers, Integers]:
        """Which primary has each row, vectorised over the slots of their keys.

        Returns:
            The places of the keys, those of one primary behind those of another, and in it those of
            one tag; and for each primary where its share ends.
        """
        topology, tags = self.topology(), key_tags(keys)
        shards = topology.layout.owner[key_slots(keys)]
        order = np.lexsort((tags, shards))
        ends = np.cumsum(np.bincount(shards, minlength=len(topology.shards)))
        return order, ends

    def topology(self) -> Topology:
        """The primaries; asked for anew after one of them did not do as it was told.

        Raises:
            UnsupportedStoreError: Slots were moved between primaries since rows were written.
            StoreUnavailableError: The Cluster does not answer, or has not all slots.
        """
        if self._topology is None:
            with self.errors():
                self._topology = self._asked()
        return self._topology

    def forget(self) -> None:
        """Ask again who has which slots before the next call."""
        self._topology = None

    def _connected(self) -> redis.Redis:
        return cast("redis.Redis", self._whole())

    def _whole(self) -> RedisCluster:
        if self._cluster is None:
            nodes = [ClusterNode(host, port) for host, port in self._nodes.nodes]  # type: ignore[no-untyped-call]  # redis-py's
            try:
                self._cluster = RedisCluster(
                    startup_nodes=nodes,
                    username=self._nodes.username,
                    password=self._nodes.password,
                    ssl=self._nodes.is_tls,
                    **tls_options(self._nodes),
                    **OPTIONS,
                )
            except RedisClusterException as error:  # which is no RedisError
                raise redis.ConnectionError(str(error)) from error
        return self._cluster

    def _asked(self) -> Topology:
        cluster = self._whole()
        layout = layout_of(cluster)
        cluster.set(store_keys.CLUSTER, layout.document, nx=True)
        recorded: Any = cluster.get(store_keys.CLUSTER)
        if recorded != layout.document:
            raise UnsupportedStoreError(
                store=self.address,
                kind="a Cluster whose slots were moved between primaries since it was filled",
                remedy="move them back, or empty all of its nodes (FLUSHALL)"
                " and run `headrace rebuild`",
            )
        return Topology(layout, tuple(self._shard(cluster, each) for each in layout.primaries))

    def _shard(self, cluster: RedisCluster, primary: Primary) -> "Shard":
        node = primary.node
        if primary.tag is None:
            raise UnsupportedStoreError(
                store=self.address,
                kind=f"a Cluster whose primary {node.host}:{node.port} has too few slots",
                remedy="give it more, or none",
            )
        client = cluster.get_redis_connection(node)
        return Shard(self, client, f"{node.host}:{node.port}", primary.tag)

    def _call_of_key(
        self, function: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]
    ) -> Any:  # noqa: ANN401 - what a Function returns is its own affair
        topology = self.topology()
        shard = topology.shards[int(topology.layout.owner[slot_of(keys[0])])]
        with shard.errors():
            return shard.call(function, keys, arguments)


class Shard(OnlineStore):
    """What one primary holds: a store of its own, but for the catalogue."""

    def __init__(self, whole: ClusterStore, client: redis.Redis, place: str, tag: str) -> None:
        """Name the primary.

        Args:
            whole: The Cluster.
            client: Of the primary.
            place: Its host and port.
            tag: Begins with a tag of one of its slots, in which its state lies.
        """
        # The tag in the namespace puts every key of the state into one slot.
        self.namespace = f"{whole.namespace}{tag}"
        self.durability = whole.durability
        self.address = f"{whole.address} (primary {place})"
        self._whole, self._client = whole, client
        self._loaded, self._manifest = False, None

    @contextmanager
    def errors(self, group: str = "the catalogue", partition: str = "all") -> Iterator[redis.Redis]:
        """Speak to the primary; who is primary is asked anew after it failed."""
        try:
            with super().errors(group, partition) as client:
                yield client
        except StoreUnavailableError:
            self._whole.forget()
            raise

    def _refuse_unsupported(self, server: Any) -> None:  # noqa: ANN401 - as redis-py has it
        if server.get("role") == "slave":
            raise StoreUnavailableError(store=self.address, reason="it is no primary any more")
