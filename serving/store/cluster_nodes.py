"""Connections to the nodes of a Cluster, and the question who has which slots; all of it blocks."""

from collections.abc import Sequence
from typing import Any

import redis

from ...contract.store_address import ClusterAddress
from ..settings import StoreSettings
from .connecting import Dial, connection_to, dialled, said
from .slots import Address, SlotMap, slot_map


def node_dial(
    cluster: ClusterAddress, address: Address, settings: StoreSettings, *, is_replica: bool
) -> Dial:
    """How to connect to a node; as a replica it answers for the slots of its primary."""
    commands = said(settings)
    if is_replica:
        commands = (("READONLY",), *commands)
    return lambda: dialled(connection_to(cluster, address, settings), *commands)


def read_slot_map(
    cluster: ClusterAddress, addresses: Sequence[Address], settings: StoreSettings
) -> SlotMap:
    """Ask nodes, one after the other, until one answers.

    Raises:
        Exception: None did; the error of the last.
    """
    for place, address in enumerate(addresses):
        try:
            return slot_map(_slots(cluster, address, settings), address)
        except (redis.RedisError, OSError, ValueError):
            if place == len(addresses) - 1:
                raise
    msg = "no node is named"
    raise ValueError(msg)


def _slots(cluster: ClusterAddress, address: Address, settings: StoreSettings) -> Sequence[Any]:
    connection = connection_to(cluster, address, settings)
    try:
        connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
        connection.send_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]  # redis-py's
        reply: Sequence[Any] = connection.read_response()
        return reply
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
