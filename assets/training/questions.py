"""What the rows of a spine's bucket ask of groups that accept the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...resources.offline.column_values import Positions
from .acceptance import Acceptance, Intervals, Month
from .bucketed_spine import SpineBucket

_KEPT_A_ROW = 4  # of the months that a row asks; without a TTL it asks all before it


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one bucket of a spine: the same to every group that accepts the same.

    Attributes:
        spine: The bucket.
        accepted: What is accepted at each of its rows.
        partitions: The number of the newest partition that is.
        months: The months that may hold an answer, newest first.
    """

    spine: SpineBucket
    accepted: Intervals
    partitions: Positions
    months: tuple[Month, ...]
    _some: NDArray[np.bool_]
    _kept: dict[str, Positions] = field(default_factory=dict)

    @classmethod
    def of(cls, spine: SpineBucket, acceptance: Acceptance) -> "Questions":
        """What the rows of a bucket ask."""
        accepted = acceptance.intervals(spine.times)
        some = accepted.newest >= accepted.oldest
        months = tuple(acceptance.months(accepted.at(np.flatnonzero(some))))
        return cls(spine, accepted, acceptance.numbers(accepted.newest), months, some)

    def asked(self) -> Iterator[tuple[Month, Positions]]:
        """The months, each with the rows of the bucket that it may answer.

        For the next group it is kept who asks, as long as that is a few positions for each row.
        """
        for month in self.months:
            rows = self._kept.get(month.key)
            if rows is None:
                met = self._some & self.accepted.meeting(month.first, month.last)
                rows = np.flatnonzero(met)
                kept = sum(map(len, self._kept.values())) + len(rows)
                if kept <= _KEPT_A_ROW * len(self._some):
                    self._kept[month.key] = rows
            yield month, rows
