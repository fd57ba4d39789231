"""What one server is asked for at once, on behalf of one reading."""

from abc import ABC, abstractmethod

from ...contract.errors import StoreUnavailableError
from ..reading import Keys, Values


class Part(ABC):
    """Keys to be read together.

    Attributes:
        keys: In the order in which their values are wanted.
        deadline: In monotonic seconds; not sent any more from then on.
        is_retried: It was on a connection that was lost; the next time it fails.
        is_over: Nobody wants it any more.
    """

    __slots__ = ("deadline", "is_over", "is_retried", "keys")

    def __init__(self, keys: Keys, deadline: float) -> None:
        """Wanted until the deadline."""
        self.keys, self.deadline = keys, deadline
        self.is_retried = self.is_over = False

    @abstractmethod
    def receive(self, values: Values) -> None:
        """Take the values of the keys."""

    @abstractmethod
    def fail(self, error: StoreUnavailableError) -> None:
        """Learn that the keys cannot be read."""

    @abstractmethod
    def expire(self) -> None:
        """Learn that the deadline has passed."""
