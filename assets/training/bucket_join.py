"""What one group knew of each row of a spine, found bucket by bucket and month by month."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...resources.offline.column_values import Positions
from ...resources.offline.monthly_rows import MonthlyRows, RowsOfMonth
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from .acceptance import Acceptance, Month
from .answers import Answers
from .feature_columns import GroupColumns
from .questions import Questions
from .sorted_rows import SortedRows, positions_of


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


class _Fetched(Protocol):
    """A month's rows, as a future has them."""

    def result(self) -> RowsOfMonth: ...

    def cancel(self) -> object: ...


@dataclass(frozen=True, slots=True)
class _Read:
    """A month's rows, read by whoever wants them."""

    result: Callable[[], RowsOfMonth]

    def cancel(self) -> None:
        """Nothing has begun."""


class GroupJoin:
    """One group's part of a join; its buckets may be answered by several threads at once.

    Opens only the files of buckets and partitions that can answer a row. While the rows of one
    month are searched, those of the next are fetched from an object store: no more than the two of
    each thread are in memory.
    """

    def __init__(self, group: GroupColumns, height: int) -> None:
        """Open no file yet.

        Args:
            group: The features that are asked.
            height: How many rows the spine has.
        """
        self.group = group
        self.acceptance = Acceptance.of(group.spec, group.snapshot.commits)
        self._source = MonthlyRows.of(group.snapshot)
        # Reading a local file is copying: handing it over to another thread costs more.
        self._ahead = 0 if self._source.is_local else 1
        schema = {name: group.snapshot.spec.schema[name] for name in group.columns}
        self._answers = Answers(schema, height)

    def answer(self, questions: Questions, reader: Executor) -> None:
        """Find what was known at the rows of one bucket of the spine.

        Args:
            questions: Of a bucket by the group's join keys and number of buckets, and by what it
                accepts.
            reader: Fetches months ahead.
        """
        is_open = np.ones(len(questions.spine.rows), np.bool_)
        ahead: deque[tuple[Positions, _Fetched]] = deque()
        try:
            for month, asked in questions.asked():
                if is_open.take(asked).any():
                    ahead.append((asked, self._begun(questions.spine.bucket, month, reader)))
                while len(ahead) > self._ahead:
                    self._answer(questions, is_open, *ahead.popleft())
            while ahead:
                self._answer(questions, is_open, *ahead.popleft())
        finally:
            for _, fetched in ahead:
                fetched.cancel()

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

    def _begun(self, bucket: int, month: Month, reader: Executor) -> "_Fetched":
        """A month's rows, which are on their way if the network is."""
        columns = list(self.group.columns)
        rows = partial(self._source.read, month.key, bucket, month.partitions, columns)
        return reader.submit(rows) if self._ahead else _Read(rows)

    def _answer(
        self,
        questions: Questions,
        is_open: NDArray[np.bool_],
        asked: Positions,
        fetched: "_Fetched",
    ) -> None:
        """Answer what the month can.

        Months come newest first: an entity's newest row decides, also when it is too old.
        """
        asked = asked[is_open.take(asked)]
        if not len(asked):
            fetched.cancel()
            return
        month, spine, accepted = fetched.result(), questions.spine, questions.accepted
        there, found = self._newest(questions, asked, month)
        known = asked.take(there)
        is_open[known] = False
        times = np.asarray(month.columns[EVENT_TIMESTAMP])
        is_fresh = times.take(found) >= accepted.oldest.take(known)
        if not is_fresh.all():
            known, found = known[is_fresh], found[is_fresh]
        self._answers.put(spine.rows.take(known), month.columns, found)

    def _newest(
        self, questions: Questions, asked: Positions, month: RowsOfMonth
    ) -> tuple[Positions, Positions]:
        """Which of the rows that ask have a newest row, and where in the month it is."""
        spine, keys = questions.spine, self.group.spec.entity.key_names
        codes = spine.codes.take(asked)
        if month.index is not None:
            entities = positions_of(spine.entities, {keys[0]: month.index.entities})
            return month.index.newest(entities.take(codes), questions.partitions.take(asked))
        rows = SortedRows.of(month.columns, keys)
        among = rows.slices_of(spine.entities).at(codes)
        there, found = rows.newest(among, questions.accepted.newest.take(asked))
        return there, rows.places(found)
