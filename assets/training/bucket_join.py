"""What one group knew of each row of a spine, found bucket by bucket and month by month."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...resources.offline.monthly_rows import MonthlyRows
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from .acceptance import Acceptance, Intervals, Month
from .answers import Answers
from .bucketed_spine import SpineBucket
from .feature_columns import GroupColumns
from .sorted_rows import Positions, SortedRows, positions_of


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of a group's table a join read.

    Attributes:
        group: `group@version`.
        files_opened: Files of the table and of its history that were read, each counted once.
        files: From how many files the whole table would have been read.
        history_covers: The table version that the history covers that was used, if one was.
    """

    group: str
    files_opened: int
    files: int
    history_covers: int | None


class GroupJoin:
    """One group's part of a join; its buckets may be answered by several threads at once.

    Opens only the files of buckets and partitions that can answer a row. While the rows of one
    month are searched, those of the next are read: no more than the two of each thread are in
    memory.
    """

    def __init__(self, group: GroupColumns, height: int) -> None:
        """Open no file yet.

        Args:
            group: The features that are asked.
            height: How many rows the spine has.
        """
        self.group = group
        self._source = MonthlyRows.of(group.snapshot)
        self._acceptance = Acceptance.of(group.spec, group.snapshot.commits)
        schema = {name: group.snapshot.spec.schema[name] for name in group.columns}
        self._answers = Answers(schema, height)

    def answer(self, spine: SpineBucket, reader: ThreadPoolExecutor) -> None:
        """Find what was known at the rows of one bucket of the spine.

        Args:
            spine: By the group's join keys and number of buckets.
            reader: Reads the rows of months.
        """
        questions = _Questions.of(spine, self._acceptance.intervals(spine.times))
        before: tuple[Month, Future[pl.DataFrame]] | None = None
        for month in self._acceptance.months(spine.instants):
            if not questions.are_open(month):
                continue
            rows = reader.submit(self._rows, spine.bucket, month)
            if before is not None:
                self._answer(questions, *before)
            before = month, rows
        if before is not None:
            self._answer(questions, *before)

    def values(self) -> pl.DataFrame:
        """The features as known at each row of the spine; null where nothing was."""
        return self._answers.frame()

    def reading(self) -> Reading:
        """What was read so far."""
        history = self._source.history
        return Reading(
            group=self.group.spec.reference,
            files_opened=len(self._source.opened),
            files=self._source.file_count,
            history_covers=history.covers if history else None,
        )

    def _rows(self, bucket: int, month: Month) -> pl.DataFrame:
        keys = self.group.spec.entity.key_names
        columns = [*keys, EVENT_TIMESTAMP, *self.group.columns]
        return self._source.read(month.key, bucket, month.partitions, columns)

    def _answer(self, questions: "_Questions", month: Month, rows: Future[pl.DataFrame]) -> None:
        found = SortedRows.of(rows.result(), self.group.spec.entity.key_names)
        asked, answers = questions.answer(month, found)
        self._answers.put(questions.spine.rows[asked], found.rows, found.positions(answers))


@dataclass(frozen=True, slots=True)
class _Questions:
    """A bucket of the spine, and which of its rows wait for an answer."""

    spine: SpineBucket
    intervals: Intervals
    open: NDArray[np.bool_]

    @classmethod
    def of(cls, spine: SpineBucket, intervals: Intervals) -> "_Questions":
        return cls(spine, intervals, intervals.newest >= intervals.oldest)

    def are_open(self, month: Month) -> bool:
        return bool(np.any(self._asked(month)))

    def answer(self, month: Month, rows: SortedRows) -> tuple[Positions, Positions]:
        """Answer what the month can: positions in the bucket, and the row found for each.

        Months come newest first: an entity's newest row decides, also when it is too old.
        """
        asked = np.flatnonzero(self._asked(month))
        entities = positions_of(self.spine.entities, rows.entities)[self.spine.codes[asked]]
        asked, entities = asked[entities >= 0], entities[entities >= 0]
        accepted = Intervals(self.intervals.oldest[asked], self.intervals.newest[asked])
        found, answers = rows.newest(entities, accepted)
        self.open[asked[found >= 0]] = False
        return asked[answers >= 0], answers[answers >= 0]

    def _asked(self, month: Month) -> NDArray[np.bool_]:
        return self.open & self.intervals.meeting(month.first, month.last)
