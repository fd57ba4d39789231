"""Which failed calls a client makes again: those that may succeed soon, and not too many of them.

Every method of the feature server only reads, so that a call may always be repeated. What limits
repeating is the server's good: when most calls fail, clients that repeat them all keep it down.
"""

import random
import threading
import time
from collections.abc import Callable

import grpc

_MAY_SUCCEED = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
_TRIES = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds
_FLOOR_PER_SECOND, _MOST = 1.0, 10.0


class RetryBudget:
    """How many calls may be made again: a share of all, and a few for those who make few.

    A token bucket: every call adds the share of a token, every second one, a repetition takes one.
    It begins full, with ten. Several threads may use it.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow this share of the calls to be repeated; zero or less: none at all."""
        self._share, self._clock = share, clock
        self._tokens, self._filled_at = (_MOST, clock()) if share > 0 else (0.0, clock())
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """A call begins."""
        with self._lock:
            self._fill(self._share)

    def withdraw(self) -> bool:
        """Whether a call may be made again now; if so, that is paid for."""
        with self._lock:
            self._fill(0.0)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def _fill(self, share: float) -> None:
        if self._share <= 0:
            return
        now = self._clock()
        earned = share + (now - self._filled_at) * _FLOOR_PER_SECOND
        self._tokens, self._filled_at = min(_MOST, self._tokens + earned), now


class Attempts:
    """What a caller waits for: calls and their repetitions, all within one deadline."""

    def __init__(self, budget: RetryBudget, timeout: float) -> None:
        """Begin now; `timeout` is in seconds."""
        self._budget, self._deadline, self._tries = budget, time.monotonic() + timeout, 0
        budget.deposit()

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def pause_after(self, code: grpc.StatusCode) -> float | None:
        """How long to wait before the failed call is made again (seconds); `None`: it is not.

        Twice as long each time, and half of it by chance, so that clients that failed together do
        not come back together.
        """
        self._tries += 1
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (self._tries - 1))
        pause = longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        if code not in _MAY_SUCCEED or self._tries >= _TRIES or pause >= self.remaining:
            return None
        return pause if self._budget.withdraw() else None
