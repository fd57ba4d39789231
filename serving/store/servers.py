"""The servers of which an engine reads: one, or those of a Cluster."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from .node import Node
from .part import Part
from .ticket import Ticket


class Servers(ABC):
    """Has the keys of readings read, wherever they are."""

    @property
    @abstractmethod
    def is_available(self) -> bool:
        """Whether any server is asked at all."""

    @property
    @abstractmethod
    def unavailable(self) -> tuple[str, ...]:
        """The servers that are not asked because they did not answer."""

    @property
    @abstractmethod
    def nodes(self) -> Iterable[Node]:
        """Every server that has been read from."""

    @abstractmethod
    def route(self, ticket: Ticket[Any]) -> None:
        """Have the keys of a ticket read, at least one; sends nothing yet."""

    @abstractmethod
    def send_waiting(self) -> None:
        """Send what waits."""

    @abstractmethod
    def check(self, now: float) -> None:
        """Act on what did not happen in time."""

    @abstractmethod
    def next_event(self) -> float:
        """When `check` has to be called at the latest, in monotonic seconds."""

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """Everything that waits or is in flight."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections; what waits or is in flight fails."""
