"""What waits to be sent to one server, and how much that is for all servers together."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .part import Part


@dataclass(slots=True)
class Waiting:
    """How much waits, over all queues.

    Attributes:
        parts: Those included that are over by now.
        keys: Their keys.
    """

    parts: int = 0
    keys: int = 0


class Queue:
    """Parts in the order in which they came."""

    __slots__ = ("_parts", "_waiting")

    def __init__(self, waiting: Waiting) -> None:
        """Begin empty; what comes and goes is counted there, too."""
        self._parts: deque[Part] = deque()
        self._waiting = waiting

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._parts)

    def __iter__(self) -> Iterator[Part]:
        """What waits, the first first."""
        return iter(self._parts)

    def append(self, part: Part) -> None:
        """Put a part last."""
        self._parts.append(part)
        self._waiting.parts += 1
        self._waiting.keys += len(part.keys)

    def put_back(self, parts: Sequence[Part]) -> None:
        """Put parts first that were taken before."""
        self._parts.extendleft(reversed(parts))
        self._waiting.parts += len(parts)
        self._waiting.keys += sum(len(part.keys) for part in parts)

    def take(self, now: float, at_once: int) -> tuple[list[Part], list[bytes]]:
        """The first parts with so many keys together at most, but at least one; and their keys.

        Those that are over, or whose deadline has passed, are left out.
        """
        parts: list[Part] = []
        keys: list[bytes] = []
        while self._parts:
            part = self._parts[0]
            if keys and len(keys) + len(part.keys) > at_once:
                break
            self._take_first()
            if part.deadline <= now and not part.is_over:
                part.expire()
            if part.is_over:
                continue
            parts.append(part)
            keys += part.keys
        return parts, keys

    def clear(self) -> list[Part]:
        """Take all."""
        parts = list(self._parts)
        while self._parts:
            self._take_first()
        return parts

    def _take_first(self) -> None:
        part = self._parts.popleft()
        self._waiting.parts -= 1
        self._waiting.keys -= len(part.keys)
