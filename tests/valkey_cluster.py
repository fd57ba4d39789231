"""A real Cluster of three primaries and three replicas, on private ports."""

from dataclasses import dataclass
from typing import Any

from headrace.tests.valkey_processes import Process, Processes, until

_PRIMARIES = 3
_SLOTS = 16384


@dataclass(slots=True)
class Cluster:
    """Primaries in the order of their slots, and the replica of each."""

    primaries: list[Process]
    replicas: list[Process]

    @property
    def url(self) -> str:
        nodes = [*self.primaries, *self.replicas]
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)

    def cut_off(self, place: int) -> None:
        """Let a replica miss what its primary writes from now on; it hangs until `go_on`."""
        self.replicas[place].stop()
        command = ("CLIENT", "KILL", "TYPE", "REPLICA")
        self.primaries[place].client.execute_command(*command)  # type: ignore[no-untyped-call]

    def await_promotion(self, place: int) -> None:
        """Wait until a replica has taken over, and all that live know it."""
        replica = self.replicas[place]
        until(lambda: replica.replication()["role"] == "master")
        others = [node for at, node in enumerate(self.primaries) if at != place]
        for node in [*others, *self.replicas]:
            until(lambda node=node: _info(node)["cluster_state"] == "ok")  # type: ignore[misc]


def cluster(processes: Processes) -> Cluster:
    """Start one; every replica has all that its primary has."""
    options = (
        *("--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--save", ""),
        *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
    )
    nodes = [processes.start(*options) for _ in range(2 * _PRIMARIES)]
    primaries, replicas = nodes[:_PRIMARIES], nodes[_PRIMARIES:]
    cuts = [_SLOTS * place // _PRIMARIES for place in range(_PRIMARIES + 1)]
    for place, node in enumerate(primaries):
        say(node, "ADDSLOTSRANGE", cuts[place], cuts[place + 1] - 1)
    for place, node in enumerate(nodes):
        say(node, "SET-CONFIG-EPOCH", place + 1)
    for node in nodes[1:]:
        say(nodes[0], "MEET", "127.0.0.1", node.port)
    for node in nodes:
        until(lambda node=node: _info(node)["cluster_known_nodes"] == str(len(nodes)))  # type: ignore[misc]
    for primary, replica in zip(primaries, replicas, strict=True):
        name = say(primary, "MYID")
        say(replica, "REPLICATE", name)
    for replica in replicas:
        until(lambda replica=replica: replica.replication().get("master_link_status") == "up")  # type: ignore[misc]
    for node in nodes:
        until(lambda node=node: _info(node)["cluster_state"] == "ok")  # type: ignore[misc]
    for node in nodes:
        until(lambda node=node: _primaries_of(node) == _PRIMARIES)  # type: ignore[misc]
    return Cluster(primaries, replicas)


def say(node: Process, *words: str | int | bytes) -> Any:  # noqa: ANN401 - as redis-py has it
    return node.client.execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call]


def _primaries_of(node: Process) -> int:
    """How many ranges of slots have a primary and a replica, as a node sees it."""
    found: Any = say(node, "SLOTS")
    if isinstance(found, dict):
        return sum(bool(each.get("replicas")) for each in found.values())
    return sum(len(each) >= 4 for each in found)


def _info(node: Process) -> dict[str, str]:
    found: Any = say(node, "INFO")
    if isinstance(found, dict):
        return {str(name): str(value) for name, value in found.items()}
    lines = [line.partition(":") for line in found.decode().splitlines()]
    return {name: value for name, _, value in lines}
