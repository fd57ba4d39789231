"""A circuit breaker: after a failure nobody waits for a server until a probe of it succeeded."""

from collections.abc import Callable
from math import inf
from typing import Literal

State = Literal["closed", "open", "half_open"]

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 2.0  # seconds


class Breaker:
    """Says whether a server may be asked, and when it is to be probed; keeps no time of its own.

    Attributes:
        state: `closed`: ask; `open`: do not; `half_open`: do not, a probe is under way.
        probe_at: When the next probe is due, in monotonic seconds; infinity for none.
    """

    __slots__ = ("_changed", "_delay", "probe_at", "state")

    def __init__(self, changed: Callable[[State], None]) -> None:
        """Begin closed; `changed` is told of every other state."""
        self._changed = changed
        self._delay = _FIRST_DELAY
        self.state: State = "closed"
        self.probe_at = inf

    def open(self, now: float) -> None:
        """The server failed: probe at once, and after probes that fail ever later."""
        if self.state == "closed":
            self.probe_at, self._delay = now, _FIRST_DELAY
        else:
            self.probe_at = now + self._delay
            self._delay = min(2 * self._delay, _LONGEST_DELAY)
        self._become("open")

    def probe(self) -> None:
        """A probe is under way."""
        self.probe_at = inf
        self._become("half_open")

    def close(self) -> None:
        """The server answered."""
        self.probe_at = inf
        self._become("closed")

    def _become(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._changed(state)
