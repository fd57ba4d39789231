"""What one server is asked for at once, on behalf of one reading."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from ...contract.errors import StoreUnavailableError
from ..reading import Keys


class Part(ABC):
    """Keys to be read together.

    Attributes:
        keys: In the order in which their values are wanted.
        deadline: In monotonic seconds; not sent any more from then on.
        is_retried: It was on a connection that was lost; the next time it fails.
        is_over: Nobody wants it any more.
        is_asking: Read of a node to which their slot is being moved.
    """

    __slots__ = ("deadline", "is_retried", "keys")
    is_over: bool
    is_asking: ClassVar[bool] = False

    def __init__(self, keys: Keys, deadline: float) -> None:
        """Wanted until the deadline."""
        self.keys, self.deadline = keys, deadline
        self.is_retried = False

    @abstractmethod
    def receive(self, values: list[Any]) -> None:
        """Take the values of the keys; of a node of a Cluster there may be errors among them."""

    @abstractmethod
    def fail(self, error: StoreUnavailableError) -> None:
        """Learn that the keys cannot be read."""

    @abstractmethod
    def expire(self) -> None:
        """Learn that the deadline has passed."""
