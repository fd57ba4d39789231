"""What one group knew of each row of a spine, found bucket by bucket and month by month."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...resources.offline.monthly_rows import MonthlyRows
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from .acceptance import Acceptance, Intervals, Month
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


def known_values(
    spine: Sequence[SpineBucket], height: int, group: GroupColumns
) -> tuple[pl.DataFrame, Reading]:
    """The group's features as known at each row of a spine, and what was read to find them.

    Opens only the files of buckets and partitions that can answer a row. While the rows of one
    month are searched, those of the next are read: no more than the two are in memory.

    Args:
        spine: Its buckets, by the group's join keys and number of buckets.
        height: How many rows the spine has.
        group: The features that are asked.
    """
    source = MonthlyRows.of(group.snapshot)
    acceptance = Acceptance.of(group.spec, group.snapshot.commits)
    answers: list[_Answers] = []
    with ThreadPoolExecutor(max_workers=1) as reader:
        before: tuple[_Questions, Month, Future[pl.DataFrame]] | None = None
        for questions, month in _months(spine, acceptance):
            if not questions.are_open(month):
                continue
            rows = reader.submit(_rows, source, questions.spine.bucket, month, group)
            if before is not None:
                answers.append(_answered(*before, group))
            before = questions, month, rows
        if before is not None:
            answers.append(_answered(*before, group))
    reading = Reading(
        group=group.spec.reference,
        files_opened=len(source.opened),
        files=source.file_count,
        history_covers=source.history.covers if source.history else None,
    )
    return _spread(answers, height, group), reading


@dataclass(frozen=True, slots=True)
class _Answers:
    """Rows of the spine, and the features that were found for each."""

    rows: Positions
    values: pl.DataFrame


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


def _months(
    spine: Sequence[SpineBucket], acceptance: Acceptance
) -> Iterator[tuple[_Questions, Month]]:
    for bucket in spine:
        questions = _Questions.of(bucket, acceptance.intervals(bucket.times))
        for month in acceptance.months(bucket.instants):
            yield questions, month


def _rows(source: MonthlyRows, bucket: int, month: Month, group: GroupColumns) -> pl.DataFrame:
    columns = [*group.spec.entity.key_names, EVENT_TIMESTAMP, *group.columns]
    return source.read(month.key, bucket, month.partitions, columns)


def _answered(
    questions: _Questions, month: Month, rows: Future[pl.DataFrame], group: GroupColumns
) -> _Answers:
    found = SortedRows.of(rows.result(), group.spec.entity.key_names)
    asked, positions = questions.answer(month, found)
    values = found.rows.select(list(group.columns))[positions]
    return _Answers(questions.spine.rows[asked], _compact(values))


def _compact(values: pl.DataFrame) -> pl.DataFrame:
    """The same values: gathered texts would keep all the texts in memory that they lay among."""
    oldest = pl.CompatLevel.oldest()
    return values.with_columns(
        pl.Series(pl.from_arrow(column.to_arrow(compat_level=oldest))).alias(column.name)
        for column in values.iter_columns()
        if column.dtype in (pl.String(), pl.Binary())
    )


def _spread(answers: Sequence[_Answers], height: int, group: GroupColumns) -> pl.DataFrame:
    """The values, each at its row; null at the others."""
    schema = {name: group.snapshot.spec.schema[name] for name in group.columns}
    nothing = pl.DataFrame({name: [None] for name in schema}, schema=schema)
    # Gathering at random from many chunks costs six times as much as from one.
    values = pl.concat([*(each.values for each in answers), nothing]).rechunk()
    positions = np.full(height, values.height - 1, np.uint32)
    if answers:
        rows = np.concatenate([each.rows for each in answers])
        positions[rows] = np.arange(len(rows), dtype=np.uint32)
    return values.select(pl.all().gather(pl.Series(positions)))
