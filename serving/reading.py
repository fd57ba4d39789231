"""How everything that needs the store says so without touching it.

A `Reading` is a generator: it yields the keys that it needs, is sent their values (`None` where
there is none) and returns its result. A transport drives it, and may fetch for many of them in one
round trip.

The keys are those of one server. In a Cluster they lie apart, and may be read from several servers
at several moments: a guard is then read once with each part of the rows, and never after them. Its
value are `Copies` where they differ.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Final, Self, TypeAlias, TypeVar

Result = TypeVar("Result")

Keys: TypeAlias = list[bytes]
Values: TypeAlias = list[bytes | None]
Reading: TypeAlias = Generator[Keys, Values, Result]

UNREAD: Final = bytes(bytearray(b"unread"))
"""The value of a key whose server did not answer, while others did; told apart by identity.

It is no row and no order: who does not ask takes it for one that is broken.
"""


class Copies(bytes):
    """The value of a guard that was read several times, each time with a part of the rows.

    Its own bytes are none: who does not ask takes it for a guard that is broken.
    """

    _copies: Mapping[int, bytes | None]
    _copy_of: Sequence[int]

    @classmethod
    def of(cls, copies: Mapping[int, bytes | None], copy_of: Sequence[int]) -> Self:
        """Several copies.

        Args:
            copies: By the number of the part.
            copy_of: By the place of a key in the reading, with which part it was read.
        """
        made = cls()
        made._copies, made._copy_of = copies, copy_of
        return made

    def beside(self, first: int, last: int) -> list[bytes | None]:
        """The copies that were read with the keys from the first to before the last place."""
        return [self._copies.get(part, UNREAD) for part in self._copy_of[first:last]]
