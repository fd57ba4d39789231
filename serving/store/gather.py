"""A reading whose keys are read in shares: from several servers, or not all at first hand."""

from collections.abc import Sequence
from typing import Any, Protocol

from ...contract.cluster_slots import is_guard
from ...contract.errors import StoreUnavailableError
from ..reading import UNREAD, Copies, Values
from .part import Part
from .second_hand import in_doubt
from .ticket import Ticket


class Gather:
    """Puts the values together, and answers when all are there.

    Attributes:
        ticket: The reading.
        guards: The places of guards among its keys: each is read with every share.
        has_rows_only: Whether all other keys are those of rows, none of the catalogue.
        redirects: How often it was sent elsewhere.
    """

    __slots__ = (
        "_copies",
        "_copy_of",
        "_error",
        "_has_read",
        "_numbers",
        "_open",
        "_values",
        "guards",
        "has_rows_only",
        "redirects",
        "ticket",
    )

    def __init__(self, ticket: Ticket[Any]) -> None:
        """Begin with nothing read."""
        self.ticket = ticket
        beside = [at for at, key in enumerate(ticket.keys) if key[:1] != b"{"]
        self.guards = [at for at in beside if is_guard(ticket.keys[at])]
        self.has_rows_only = len(beside) == len(self.guards)
        self.redirects = 0
        self._values: Values = [UNREAD] * len(ticket.keys)
        self._copy_of = [0] * len(ticket.keys)
        self._copies: dict[int, Sequence[bytes | None]] = {}
        self._numbers = self._open = 0
        self._has_read = False
        self._error: StoreUnavailableError | None = None

    def rows(self) -> list[int]:
        """The places of everything that is no guard."""
        guards = set(self.guards)
        return [at for at in range(len(self._values)) if at not in guards]

    def opened(self) -> int:
        """The number of one more share, which has to be closed."""
        self._open += 1
        self._numbers += 1
        return self._numbers

    def keep(
        self, number: int, guards: Sequence[bytes | None], rows: dict[int, bytes | None]
    ) -> None:
        """Keep what was read of a share: its copies of the guards, and rows by their places."""
        self._has_read = True
        self._copies[number] = guards
        self.keep_rows(number, rows)

    def keep_rows(self, number: int, rows: dict[int, bytes | None]) -> None:
        """Keep rows that the guards of a share judge."""
        for at, row in rows.items():
            self._values[at] = row
            self._copy_of[at] = number

    def close(self, error: StoreUnavailableError | None = None) -> None:
        """A share is done; with an error, what is missing of it stays unread."""
        self._open -= 1
        self._error = error or self._error
        if self._open or self.ticket.is_over:
            return
        if not self._has_read and self._error is not None:
            self.ticket.fail(self._error)
            return
        for place, at in enumerate(self.guards):
            self._values[at] = self._guard(place)
        self.ticket.receive(self._values)

    def _guard(self, place: int) -> bytes | None:
        copies = {number: guards[place] for number, guards in self._copies.items()}
        different = set(copies.values())
        if len(different) == 1:
            return different.pop()
        return Copies.of(copies, self._copy_of)


class Router(Protocol):
    """Who knows where else a share could be read."""

    def again(self, gather: Gather, rows: Sequence[int]) -> None:
        """Read rows once more, at first hand."""

    def redirected(self, share: "Share", values: list[Any]) -> bool:
        """See to errors among the values; whether the share is thereby taken care of."""


class Source(Protocol):
    """A server, with what it has told before."""

    def recall(self, keys: Sequence[bytes]) -> list[bytes | None] | None:
        """The values of keys that it has told and not revoked; `None` if nothing is kept at all."""

    def spare(self, keys: int) -> None:
        """Take note that so many keys need not be sent."""

    def offer(self, part: Part) -> None:
        """Have a part read."""


class Share(Part):
    """Keys of one reading that one server is asked for, the guards first.

    What a replica or the cache says is at second hand: what is missing or below its floor there is
    asked for again, at first hand.

    Attributes:
        number: In its gathering.
        rows: The places of its rows in the reading.
        asked: Those of them that the server is asked for; the others were in the cache.
        is_primary: Whether the server is one.
    """

    __slots__ = ("_cached", "_router", "asked", "gather", "is_primary", "number", "rows")

    def __init__(
        self,
        gather: Gather,
        rows: Sequence[int],
        keys: list[bytes],
        *,
        router: Router,
        is_primary: bool,
    ) -> None:
        """Open a share.

        Args:
            gather: What it belongs to.
            rows: The places of its rows in the reading.
            keys: The names under which the server has the guards, then these rows.
            router: Who is asked when it cannot be read there.
            is_primary: Whether the server is one.
        """
        super().__init__(keys, gather.ticket.deadline)
        self.gather, self.rows, self.number = gather, rows, gather.opened()
        self.asked = rows
        self._router, self.is_primary = router, is_primary
        self._cached: dict[int, bytes | None] = {}

    @property
    def is_over(self) -> bool:  # type: ignore[override]  # a share cannot end by itself
        """Whether the reading has ended."""
        return self.gather.ticket.is_over

    def read(self, source: Source, *, is_fresh: bool) -> None:
        """Have it read; unless all has to be fresh, only what is not in the cache.

        Guards are taken from the cache only if everything is: else they are read with the rows that
        are missing, so that what is found to be absent is judged by a guard of the same moment.
        """
        found = None if is_fresh else source.recall(self.keys)
        if found is None:
            source.offer(self)
            return
        count = len(self.gather.guards)
        if None not in found:
            source.spare(len(found))
            self._cached = dict(zip(self.rows, found[count:], strict=True))
            self._answer(found[:count], {})
            return
        rows = zip(self.rows, found[count:], strict=True)
        self._cached = {at: row for at, row in rows if row is not None}
        self.asked = [at for at in self.rows if at not in self._cached]
        source.spare(len(self._cached))
        missing = [key for key, row in zip(self.keys, found, strict=True) if row is None]
        self.keys = [*self.keys[:count], *missing[found[:count].count(None) :]]
        source.offer(self)

    def receive(self, values: list[Any]) -> None:
        """Keep the values, or ask for them elsewhere."""
        if self.is_over or self._router.redirected(self, values):
            return
        count = len(self.gather.guards)
        self._answer(values[:count], dict(zip(self.asked, values[count:], strict=True)))

    def fail(self, error: StoreUnavailableError) -> None:
        """Leave the keys unread, or ask the primary for them."""
        if self.is_over:
            return
        if self.is_primary:
            self.gather.close(error)
            return
        self._router.again(self.gather, self.rows)
        self.gather.close()

    def expire(self) -> None:
        """End the reading."""
        self.gather.ticket.expire()

    def _answer(self, guards: Sequence[bytes | None], read: dict[int, bytes | None]) -> None:
        rows = {**self._cached, **read} if self._cached and read else self._cached or read
        second_hand = self._cached if self.is_primary else rows
        doubtful = in_doubt(self.gather.guards, guards, second_hand) if second_hand else []
        if doubtful:
            for at in doubtful:
                del rows[at]
            self._router.again(self.gather, doubtful)
        self.gather.keep(self.number, guards, rows)
        self.gather.close()


class Asked(Part):
    """Rows of a slot that is being moved, read of the node to which they were moved already."""

    __slots__ = ("_rows", "_share")
    is_asking = True

    def __init__(self, share: Share, rows: Sequence[int]) -> None:
        """Read these rows of a share, whose guards judge them."""
        super().__init__([share.gather.ticket.keys[at] for at in rows], share.deadline)
        self._share, self._rows = share, rows
        share.gather.opened()

    @property
    def is_over(self) -> bool:  # type: ignore[override]  # a share cannot end by itself
        """Whether the reading has ended."""
        return self._share.is_over

    def receive(self, values: list[Any]) -> None:
        """Keep what was moved; what has another error stays unread."""
        if self.is_over:
            return
        found = zip(self._rows, values, strict=True)
        rows = {at: row for at, row in found if row is None or isinstance(row, bytes)}
        self._share.gather.keep_rows(self._share.number, rows)
        self._share.gather.close()

    def fail(self, error: StoreUnavailableError) -> None:
        """Leave them unread."""
        if not self.is_over:
            self._share.gather.close(error)

    def expire(self) -> None:
        """End the reading."""
        self._share.expire()
