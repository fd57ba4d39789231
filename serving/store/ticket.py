"""One reading that an engine runs, as its submitter holds it."""

import logging
from collections.abc import Callable
from typing import Generic

from ...contract.errors import DeadlineExceededError, StoreUnavailableError
from ..reading import Keys, Reading, Result, Values
from .part import Part

_LOG = logging.getLogger("headrace.serving")

Done = Callable[[Result | Exception], None]


class Ticket(Part, Generic[Result]):
    """A reading between two of its yields; the part of the one server that is read, too."""

    __slots__ = ("_done", "_reading", "_route", "is_over")

    def __init__(
        self,
        reading: Reading[Result],
        done: Done[Result],
        deadline: float,
        route: Callable[["Ticket[Result]"], None],
    ) -> None:
        """Hold a reading that has not begun; `route` has its keys read."""
        super().__init__([], deadline)
        self.is_over = False
        self._reading, self._done, self._route = reading, done, route

    def begin(self) -> Keys:
        """Run to the first yield; no keys if the reading ended."""
        try:
            self.keys = next(self._reading)
        except StopIteration as end:
            self.finish(end.value)
        except Exception as error:  # noqa: BLE001  # handed on: the reading's errors are its result
            self.finish(error)
        return self.keys

    def receive(self, values: Values) -> None:
        """Run to the next yield, or to the end."""
        if self.is_over:
            return
        try:
            self.keys = self._reading.send(values)
        except StopIteration as end:
            self.finish(end.value)
        except Exception as error:  # noqa: BLE001  # as in `begin`
            self.finish(error)
        else:
            self.is_retried = False
            self._route(self)

    def fail(self, error: StoreUnavailableError) -> None:
        """End with an error."""
        self.refuse(error)

    def expire(self) -> None:
        """End because nobody waits any more."""
        self.refuse(DeadlineExceededError())

    def refuse(self, error: Exception) -> None:
        """End with an error, whatever the reading would have come to."""
        if not self.is_over:
            self._reading.close()
            self.finish(error)

    def cancel(self) -> None:
        """End silently: `done` is not called any more, and what was not sent is not sent."""
        if not self.is_over:
            self.is_over = True
            self._reading.close()

    def finish(self, result: Result | Exception) -> None:
        """Tell the submitter, once."""
        self.is_over = True
        try:
            self._done(result)
        except Exception:  # noqa: BLE001  # the readings of the same batch are not to suffer
            _LOG.exception("the result of a reading could not be taken")
