"""One server, or a service that Sentinel watches over: the primary, and replicas if asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

from .commands import Mgets
from .connecting import dial_of, replica_dial_of
from .gather import Gather, Share
from .node import Node
from .part import Part
from .servers import Servers
from .shared import Shared
from .ticket import Ticket


class OneServer(Servers):
    """Reads what one server holds."""

    def __init__(self, store: str, shared: Shared) -> None:
        """Connect when something is to be read.

        Raises:
            InvalidArgumentError: The URL is none that a store can have.
        """
        settings = shared.settings
        commands = Mgets(settings.keys_at_once)
        self._node = Node(store, dial_of(settings), commands, shared)
        self._nodes = [self._node]
        self._is_direct = not settings.from_replicas and not settings.cache_bytes
        if settings.from_replicas:
            self._nodes.append(Node(store, replica_dial_of(settings), commands, shared))

    @property
    def nodes(self) -> list[Node]:
        """The primary, and what is read as a replica."""
        return self._nodes

    @property
    def is_available(self) -> bool:
        """Whether any of them is asked at all."""
        return any(node.is_available for node in self.nodes)

    @property
    def unavailable(self) -> tuple[str, ...]:
        """The primary, when it is not asked."""
        return () if self._node.is_available else (self._node.name,)

    def route(self, ticket: Ticket[Any]) -> None:
        """Ask the primary, and nobody has to put anything together; or a replica."""
        if self._is_direct:
            self._node.offer(ticket)
        else:
            gather = Gather(ticket)
            self._share(gather, gather.rows(), self.nodes[-1], is_fresh=False)

    def again(self, gather: Gather, rows: Sequence[int]) -> None:
        """Ask the primary."""
        self._share(gather, rows, self._node, is_fresh=True)

    def redirected(self, share: Share, values: list[Any]) -> bool:  # noqa: ARG002
        """Nowhere."""
        return False

    def send_waiting(self) -> None:
        """Send what waits."""
        for node in self.nodes:
            node.send_waiting()

    def check(self, now: float) -> None:
        """Act on what did not happen in time."""
        for node in self.nodes:
            node.check(now)

    def next_event(self) -> float:
        """When `check` has to be called at the latest, in monotonic seconds."""
        return min(node.next_event() for node in self.nodes)

    def parts(self) -> Iterator[Part]:
        """Everything that waits or is in flight."""
        for node in self.nodes:
            yield from node.parts()

    def close(self) -> None:
        """Close all connections; what waits or is in flight fails."""
        for node in reversed(self.nodes):
            node.close()

    def _share(self, gather: Gather, rows: Sequence[int], node: Node, *, is_fresh: bool) -> None:
        keys = gather.ticket.keys
        names = [keys[at] for at in (*gather.guards, *rows)]
        share = Share(gather, rows, names, router=self, is_primary=node is self._node)
        share.read(node, is_fresh=is_fresh)
