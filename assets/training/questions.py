"""What the rows of a spine's bucket ask of groups that accept the same."""

from dataclasses import dataclass

import numpy as np

from ...resources.offline.column_values import Positions
from .acceptance import Acceptance, Intervals, Month
from .bucketed_spine import SpineBucket


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one bucket of a spine: the same to every group that accepts the same.

    Attributes:
        accepted: What is accepted at each row of the bucket.
        partitions: The number of the newest partition that is.
        months: The months that may hold an answer, newest first, each with the rows of the bucket
            that it may answer.
    """

    spine: SpineBucket
    accepted: Intervals
    partitions: Positions
    months: tuple[tuple[Month, Positions], ...]

    @classmethod
    def of(cls, spine: SpineBucket, acceptance: Acceptance) -> "Questions":
        """What the rows of a bucket ask."""
        accepted = acceptance.intervals(spine.times)
        some = accepted.newest >= accepted.oldest
        months = acceptance.months(accepted.at(np.flatnonzero(some)))
        asked = (
            (month, np.flatnonzero(some & accepted.meeting(month.first, month.last)))
            for month in months
        )
        return cls(spine, accepted, acceptance.numbers(accepted.newest), tuple(asked))
