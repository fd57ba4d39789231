"""Rows and guards that one server has told us, for as long as it has not told us otherwise.

The server remembers which keys it has told a connection (`CLIENT TRACKING`, default mode), and says
on that same connection when one of them changes. So a cache belongs to one connection, begins empty
with it and is gone with it. It holds no absence: what is not there is asked for every time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

_OVERHEAD = 160  # bytes of an entry beside key and value: both objects' heads, and its links


class Cache:
    """Values by their keys, bounded in bytes; the least recently used go first.

    Attributes:
        bytes: How much it holds, with what Python needs to hold it.
    """

    __slots__ = ("_limit", "_values", "bytes")

    def __init__(self, limit: int) -> None:
        """Hold so many bytes at most."""
        self._limit = limit
        self._values: OrderedDict[bytes, bytes] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """How many values it holds."""
        return len(self._values)

    def recall(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, as far as they are known."""
        values = self._values
        found = list(map(values.get, keys))
        for key, value in zip(keys, found, strict=True):
            if value is not None:
                values.move_to_end(key)
        return found

    def fill(self, key: bytes, value: bytes) -> None:
        """Keep the value of a key, and let go of others if there is no room."""
        self.drop((key,))
        self._values[key] = value
        self.bytes += len(key) + len(value) + _OVERHEAD
        while self.bytes > self._limit:
            self._let_go(*self._values.popitem(last=False))

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget the values of some keys."""
        for key in keys:
            value = self._values.pop(key, None)
            if value is not None:
                self._let_go(key, value)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self.bytes = 0

    def _let_go(self, key: bytes, value: bytes) -> None:
        self.bytes -= len(key) + len(value) + _OVERHEAD
