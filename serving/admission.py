"""Who is let in: rates of callers and of feature groups, as token buckets.

A bucket holds one second's worth of what may be taken, and fills at its rate. What is larger than a
bucket is let in when the bucket is full and leaves a debt: a limit slows big requests down, and
never makes one impossible.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from ..contract.errors import LimitReachedError
from .settings import RateLimits

CALLER_METADATA = "headrace-caller"
EVERYBODY_ELSE = "*"

_REMEMBERED = 10_000
_SHOWN = 100


def caller_name(
    identities: Iterable[bytes] | None, metadata: Iterable[tuple[str, str | bytes]]
) -> str:
    """Who calls: the first name in the client's certificate, else what the caller says; or empty.

    Args:
        identities: The subject alternative names of a certificate that was verified.
        metadata: The call's; `headrace-caller` is believed, not authenticated.
    """
    for identity in identities or ():
        return identity.decode("utf-8", "replace")
    for name, value in metadata:
        if name == CALLER_METADATA:
            return value if isinstance(value, str) else value.decode("utf-8", "replace")
    return ""


class Buckets:
    """A token bucket for each name; the least recently used are forgotten, which fills them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets, in the time of a clock that counts seconds."""
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, amount: float, *, rate: float, size: float) -> bool:
        """Take an amount, or nothing when the bucket does not hold it and is not full.

        Args:
            name: Whose bucket.
            amount: How much.
            rate: How much flows in each second.
            size: How much it holds.
        """
        now = self._clock()
        level = self._level(name, now, rate=rate, size=size)
        self._levels.pop(name, None)
        is_let_in = level >= min(amount, size)
        self._levels[name] = (level - amount if is_let_in else level, now)
        if len(self._levels) > _REMEMBERED:
            self._levels.popitem(last=False)
        return is_let_in

    def holds(self, name: str, amount: float = 1, *, rate: float, size: float) -> bool:
        """Whether an amount could be taken now."""
        level = self._level(name, self._clock(), rate=rate, size=size)
        return level >= min(amount, size)

    def _level(self, name: str, now: float, *, rate: float, size: float) -> float:
        level, since = self._levels.get(name, (size, now))
        return min(size, level + (now - since) * rate)


class Admission:
    """The rate limits of one process.

    Attributes:
        asks_for_callers: Whether anything depends on who calls.
        asks_for_groups: Whether anything depends on which feature groups are asked for.
    """

    def __init__(self, rates: RateLimits, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets."""
        self._callers, self._groups = rates.callers or {}, rates.groups or {}
        self._calls, self._rows = Buckets(clock), Buckets(clock)
        self.asks_for_callers, self.asks_for_groups = bool(self._callers), bool(self._groups)

    def admit_call(self, caller: str) -> None:
        """Let one call of a caller in.

        Raises:
            LimitReachedError: It calls more often than it may.
        """
        rate = self._callers.get(caller) or self._callers.get(EVERYBODY_ELSE)
        if rate and not self._calls.take(caller, 1, rate=rate, size=max(rate, 1)):
            raise LimitReachedError(
                subject=f"caller {caller[:_SHOWN]!r}", limit=f"{rate:g} calls a second"
            )

    def admit_rows(self, groups: Iterable[str], count: int) -> None:
        """Let a request for so many rows of each of some feature groups in.

        What is refused for the sake of one group takes nothing from the others.

        Raises:
            LimitReachedError: More is asked of a group than may be.
        """
        limited = {
            group: rate
            for group in groups
            if (rate := self._groups.get(group) or self._groups.get(EVERYBODY_ELSE))
        }
        for group, rate in limited.items():
            if not self._rows.holds(group, count, rate=rate, size=max(rate, 1)):
                raise LimitReachedError(
                    subject=f"feature group {group!r}", limit=f"{rate:g} rows a second"
                )
        for group, rate in limited.items():
            self._rows.take(group, count, rate=rate, size=max(rate, 1))
