"""How many replicas must have the rows of a publish before it counts as finished."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from .errors import InvalidArgumentError

_LONGEST = timedelta(seconds=20)  # the store must answer within the clients' timeout


@dataclass(frozen=True, slots=True)
class Durability:
    """What `HEADRACE_WAIT_REPLICAS` and `HEADRACE_WAIT_SECONDS` say.

    Attributes:
        replicas: How many for a group that is not named; 0 waits for none.
        by_group: How many for each group that is named, in all of its versions.
        patience: How long a publish waits for them.
    """

    replicas: int = 0
    by_group: Mapping[str, int] = field(default_factory=dict)
    patience: timedelta = timedelta(seconds=10)

    @classmethod
    def read(cls, replicas: str, seconds: str) -> "Durability":
        """Read `1,household_spend=2` and `10`; empty means the default.

        Raises:
            InvalidArgumentError: One of them cannot be read.
        """
        by_group: dict[str, int] = {}
        for each in filter(None, (part.strip() for part in replicas.split(","))):
            name, _, number = each.rpartition("=")
            if not number.isdecimal() or (name and not name.isidentifier()) or name in by_group:
                raise InvalidArgumentError(
                    argument="HEADRACE_WAIT_REPLICAS",
                    problem=f"{each!r} is no number of replicas",
                    remedy="write it as 1 for all groups, or as 1,group=2,other=0",
                )
            by_group[name] = int(number)
        every = by_group.pop("", cls().replicas)
        return cls(every, by_group, _patience(seconds) if seconds else cls().patience)

    def replicas_of(self, reference: str) -> int:
        """How many replicas must have the rows of `group` or `group@version`."""
        return self.by_group.get(reference.partition("@")[0], self.replicas)


def _patience(seconds: str) -> timedelta:
    try:
        patience = timedelta(seconds=float(seconds))
    except (ValueError, OverflowError):
        patience = timedelta()
    if not timedelta(milliseconds=1) <= patience <= _LONGEST:
        raise InvalidArgumentError(
            argument="HEADRACE_WAIT_SECONDS",
            problem=f"{seconds!r} is no time to wait",
            remedy=f"write seconds, up to {_LONGEST.total_seconds():g}",
        )
    return patience
