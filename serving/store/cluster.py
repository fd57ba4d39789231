"""A Cluster: each key is read of the node that has its slot, with the guards of that node's rows.

A node that does not answer leaves its keys unread; the others are served. Who has which slots is
asked in the background: at first, when a node says that it does not have a slot (any more), and
again and again while a node does not answer.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from math import inf
from time import monotonic
from typing import Any

from hiredis import ReplyError

from ...contract.cluster_slots import of_primary
from ...contract.errors import StoreUnavailableError
from ...contract.store_address import ClusterAddress
from ..reading import UNREAD
from .breaker import Breaker, State
from .cluster_nodes import node_dial, read_slot_map
from .commands import Gets
from .gather import Asked, Gather, Share
from .node import Node
from .part import Part
from .servers import Servers
from .shared import Shared
from .slots import Address, Primary, SlotMap, stored_name
from .ticket import Ticket

_MOST_REDIRECTS = 5
_ASK_AGAIN_AFTER = 0.5  # seconds, while a node does not answer

_Rows = Sequence[int]
_Place = tuple[Address, bool]  # of a node, and whether it is read as a replica


class Cluster(Servers):
    """Reads what the nodes of a Cluster hold."""

    def __init__(self, store: str, address: ClusterAddress, shared: Shared) -> None:
        """Ask for the map when something is to be read."""
        self._store, self._address, self._shared = store, address, shared
        self._map: SlotMap | None = None
        self._nodes: dict[_Place, Node] = {}
        self._replicas: list[Iterator[Address]] = []
        self._guard_names: dict[tuple[bytes, bytes], bytes] = {}
        # What waits for a map: new readings, and rows that their node did not have.
        self._waiting: list[tuple[Gather, _Rows]] = []
        self._is_asking = False
        self._ask_at = self._mapped_by = inf
        self._map_breaker = Breaker(lambda _: None)
        self._reason = ""

    @property
    def nodes(self) -> Iterable[Node]:
        """The nodes that have been read from."""
        return self._nodes.values()

    @property
    def is_available(self) -> bool:
        """Whether any node is asked at all."""
        if self._map is None:
            return self._map_breaker.state == "closed"
        return len(self.unavailable) < len(self._map.primaries)

    @property
    def unavailable(self) -> tuple[str, ...]:
        """The primaries that are not asked because they did not answer."""
        primaries = self._map.primaries if self._map else ()
        nodes = [self._nodes.get((primary.address, False)) for primary in primaries]
        return tuple(node.name for node in nodes if node is not None and not node.is_available)

    def route(self, ticket: Ticket[Any]) -> None:
        """Ask the node of each key."""
        gather = Gather(ticket)
        if self._map is None and self._map_breaker.state != "closed":
            ticket.fail(self._unavailable(self._reason))
            return
        self._spread(gather, gather.rows(), is_fresh=False)

    def again(self, gather: Gather, rows: _Rows) -> None:
        """Ask the primaries."""
        self._spread(gather, rows, is_fresh=True)

    def redirected(self, share: Share, values: list[Any]) -> bool:
        """See to errors; whether the share as a whole is read elsewhere, or cannot be."""
        if ReplyError not in set(map(type, values)):
            return False
        errors = [value for value in values if isinstance(value, ReplyError)]
        if any(str(error).startswith("MOVED ") for error in errors):
            self._moved(share)
            return True
        if len(errors) == len(values):
            # It may be cut off from the others, which have another primary by now.
            self._ask_at = min(self._ask_at, monotonic() + _ASK_AGAIN_AFTER)
            share.fail(self._unavailable(str(errors[0])))
            return True
        self._ask(share, values)
        return False

    def send_waiting(self) -> None:
        """Send what waits."""
        for node in self._nodes.values():
            node.send_waiting()

    def check(self, now: float) -> None:
        """Act on what did not happen in time."""
        if now >= min(self._ask_at, self._map_breaker.probe_at):
            self._ask_for_map()
        if now >= self._mapped_by:
            self._mapped_by = inf
            self._unmapped("its nodes do not answer")
            self._map_breaker.probe()
        for node in list(self._nodes.values()):
            node.check(now)

    def next_event(self) -> float:
        """When `check` has to be called at the latest, in monotonic seconds."""
        soonest = min(self._ask_at, self._map_breaker.probe_at, self._mapped_by)
        return min([soonest, *(node.next_event() for node in self._nodes.values())])

    def parts(self) -> Iterator[Part]:
        """Everything that waits or is in flight."""
        for gather, _ in self._waiting:
            yield gather.ticket
        for node in self._nodes.values():
            yield from node.parts()

    def close(self) -> None:
        """Close all connections; what waits or is in flight fails."""
        self._unmapped("the server is stopping")
        for node in self._nodes.values():
            node.close()

    def _spread(self, gather: Gather, rows: _Rows, *, is_fresh: bool) -> None:
        """Open a share for each primary that has any of the rows, then ask for them."""
        slots = self._map
        if slots is None:
            self._wait_for_map(gather, rows)
            return
        by_owner = slots.by_owner(gather.ticket.keys, rows)
        if not rows:
            by_owner[self._well(slots)] = []  # guards alone: those of any primary will do
        gather.opened()  # so that shares which end at once do not end the reading
        for owner, its in by_owner.items():
            if owner is None:
                gather.opened()
                gather.close(self._unavailable("no node has the slots of some keys"))
                self._ask_at = min(self._ask_at, monotonic() + _ASK_AGAIN_AFTER)
                continue
            self._open(slots, owner, gather, its, is_fresh=is_fresh)
        gather.close()

    def _well(self, slots: SlotMap) -> int | None:
        """The first primary that answers, as far as is known, else any."""
        ill = set(self.unavailable)
        for owner, primary in enumerate(slots.primaries):
            if self._node((primary.address, False)).name not in ill:
                return owner
        return 0 if slots.primaries else None

    def _open(
        self, slots: SlotMap, owner: int, gather: Gather, rows: _Rows, *, is_fresh: bool
    ) -> None:
        primary = slots.primaries[owner]
        place = (primary.address, False)
        if not is_fresh and primary.replicas and self._shared.settings.from_replicas:
            replica = (next(self._replicas[owner]), True)
            place = replica if self._node(replica).is_available else place
        keys = gather.ticket.keys
        names = [self._guard_name(keys[at], primary) for at in gather.guards]
        if gather.has_rows_only:
            names += [keys[at] for at in rows]
        else:
            names += [stored_name(keys[at]) for at in rows]
        share = Share(gather, rows, names, router=self, is_primary=not place[1])
        share.read(self._node(place), is_fresh=is_fresh)

    def _guard_name(self, key: bytes, primary: Primary) -> bytes:
        known = self._guard_names.get((key, primary.tag))
        if known is None:
            known = self._guard_names[key, primary.tag] = of_primary(key, primary.tag)
        return known

    def _moved(self, share: Share) -> None:
        """Read the share again, as a whole: guards and rows are to be of one node."""
        gather = share.gather
        gather.redirects += 1
        if gather.redirects > _MOST_REDIRECTS:
            gather.close(self._unavailable("its nodes do not agree who has a slot"))
            return
        self._wait_for_map(gather, share.rows)
        gather.close()

    def _ask(self, share: Share, values: list[Any]) -> None:
        """Ask those to whom slots are being moved; what has another error is not read."""
        moving: dict[Address, list[int]] = {}
        guards = len(share.gather.guards)
        for at, value in enumerate(values):
            if not isinstance(value, ReplyError):
                continue
            values[at] = UNREAD
            words = str(value).split()
            if words[0] == "ASK" and at >= guards:
                host, _, port = words[2].rpartition(":")
                target = (host or self._address.nodes[0][0], int(port))
                moving.setdefault(target, []).append(share.asked[at - guards])
        for target, rows in moving.items():
            self._node((target, False)).offer(Asked(share, rows))

    def _wait_for_map(self, gather: Gather, rows: _Rows) -> None:
        gather.opened()
        self._waiting.append((gather, rows))
        if self._mapped_by == inf:
            patience = self._shared.settings.connect_timeout.total_seconds()
            self._mapped_by = monotonic() + patience
        self._ask_for_map()

    def _ask_for_map(self) -> None:
        if self._is_asking:
            return
        self._is_asking, self._ask_at = True, inf
        if self._map_breaker.state != "closed":
            self._map_breaker.probe()
        known = self._map.addresses() if self._map else []
        ill = {address for (address, _), node in self._nodes.items() if not node.is_available}
        addresses = list({*known, *self._address.nodes})
        random.shuffle(addresses)  # one that is cut off from the others is not to be asked always
        addresses.sort(key=ill.__contains__)
        settings = self._shared.settings
        self._shared.background.start(
            lambda: read_slot_map(self._address, addresses, settings), self._mapped
        )

    def _mapped(self, result: SlotMap | Exception) -> None:
        self._is_asking = False
        if isinstance(result, Exception):
            self._unmapped(str(result) or type(result).__name__)
        else:
            self._map_breaker.close()
            self._mapped_by = inf
            self._adopt(result)
            waiting, self._waiting = self._waiting, []
            for gather, rows in waiting:
                self._spread(gather, rows, is_fresh=True)
                gather.close()
        if self.unavailable or self._map is None or None in self._map.owners:
            self._ask_at = monotonic() + _ASK_AGAIN_AFTER

    def _adopt(self, slots: SlotMap) -> None:
        self._map = slots
        self._guard_names.clear()
        self._replicas = [cycle(primary.replicas) for primary in slots.primaries]
        known: set[_Place] = {(primary.address, False) for primary in slots.primaries}
        known |= {(replica, True) for primary in slots.primaries for replica in primary.replicas}
        for place, node in list(self._nodes.items()):
            if place not in known and node.is_idle:
                del self._nodes[place]
                node.close()

    def _unmapped(self, reason: str) -> None:
        """There is no map, or no newer one: what waits for it is not read."""
        self._reason, self._mapped_by = reason, inf
        self._map_breaker.open(monotonic())
        waiting, self._waiting = self._waiting, []
        for gather, _ in waiting:
            gather.close(self._unavailable(reason))

    def _node(self, place: _Place) -> Node:
        node = self._nodes.get(place)
        if node is None:
            address, is_replica = place
            settings = self._shared.settings
            dial = node_dial(self._address, address, settings, is_replica=is_replica)
            name = f"{self._store} (node {address[0]}:{address[1]})"
            node = self._nodes[place] = Node(
                name, dial, Gets(), self._shared, changed=self._changed
            )
        return node

    def _changed(self, state: State) -> None:
        """A node failed, so that another may have its slots by now."""
        if state == "open":
            self._ask_at = min(self._ask_at, monotonic())

    def _unavailable(self, reason: str) -> StoreUnavailableError:
        return StoreUnavailableError(store=self._store, reason=reason)
