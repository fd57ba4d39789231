"""Whether a function that limits its window itself stays within the window that it declares.

In production it sees no other rows, so that a function which sums "60 days" of a 30-day window is
not refused: it is wrong, and silently so. It betrays itself when it is shown more: rows from a
hundred years away change nothing, so it limits its window; rows from just outside do.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import polars as pl

from ..contract.errors import PointInTimeError
from ..contract.partitions import Window
from .declarations import FeatureGroup, Input
from .repetition import computed_rows, difference_of

_TICK = timedelta(microseconds=1)
_FAR = timedelta(days=36_525)
_NEAR = (0.0, 0.5, 1.0, 2.0, 4.0)  # window lengths beyond its edge


def check_windows(group: FeatureGroup, partition: str, frames: Mapping[str, pl.DataFrame]) -> None:
    """Show the function rows from outside each window, before it and after it.

    Those are copies of the rows in the window, also with other numbers. A function that leaves the
    window to the platform changes with rows from any distance, and is right to.

    Args:
        group: The feature group.
        partition: The partition that the frames are of.
        frames: What it sees of each input.

    Raises:
        PointInTimeError: It limits its window itself, and further out than it declares.
    """
    end = group.partitions.window(partition).end
    expected = computed_rows(group, end, frames)

    def changes(name: str, strangers: pl.DataFrame) -> bool:
        """Whether these further rows of an input make a difference."""
        shown = pl.concat([frames[name], strangers])
        try:
            found = computed_rows(group, end, {**frames, name: shown})
        except pl.exceptions.PolarsError:
            return True
        return difference_of(expected, found) is not None

    for each in group.input_windows(partition):
        name = each.input.name
        for copies in _copies(group, each.input, frames[name]):
            for side in ("before", "after"):
                if changes(name, _moved(each.input, copies, _edge(each.window, side, _FAR))):
                    continue
                for lengths in _NEAR:
                    away = (each.window.end - each.window.start) * lengths
                    edge = _edge(each.window, side, away)
                    if changes(name, _moved(each.input, copies, edge)):
                        raise _outside(group, each.input, side, away)


def _copies(group: FeatureGroup, each: Input, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows of a window, and the same entities with other numbers."""
    yield rows
    keys = {*group.spec.entity.key_names, each.upstream.table.event_timestamp}
    numbers = [name for name, dtype in rows.schema.items() if dtype.is_numeric()]
    yield rows.with_columns(pl.col(name) + 1 for name in numbers if name not in keys)


def _edge(window: Window, side: str, away: timedelta) -> object:
    return window.start - away - _TICK if side == "before" else window.end + away + _TICK


def _moved(each: Input, rows: pl.DataFrame, to: object) -> pl.DataFrame:
    column = str(each.upstream.table.event_timestamp)
    return rows.with_columns(pl.lit(to, dtype=rows.schema[column]).alias(column))


def _outside(group: FeatureGroup, each: Input, side: str, away: timedelta) -> PointInTimeError:
    far = f"{away} " if away else "just "
    length = f"days={each.length.days}" if each.length and each.length.days else "the partition"
    return PointInTimeError(
        group=group.spec.reference,
        problem=f"it limits its window of {each.name!r} itself, and reads rows {far}{side} the "
        f"declared one ({length})",
        remedy="In production it never sees them: declare the window that it needs, or limit less",
    )
