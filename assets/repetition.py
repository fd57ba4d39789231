"""Whether a feature function computes the same again: no clock, no chance, no order of rows."""

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType, ModuleType

import polars as pl
from polars.testing import assert_frame_equal

from ..contract.errors import NotRepeatableError, PointInTimeError
from .declarations import FeatureGroup

_CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
_CLOCK_MODULE = {"time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"}
_READS = ("scan_", "read_")
_TOLERANCE = 1e-9


@contextmanager
def watched(group: FeatureGroup) -> Iterator[None]:
    """Refuse what a feature function must not do, while it runs in this thread.

    Raises:
        NotRepeatableError: It asks a clock, or draws a random number.
        PointInTimeError: It opens a file, or has polars read one.
    """
    found: list[Exception] = []
    package = group.function.__module__.partition(".")[0]

    def watch(frame: FrameType, event: str, called: object) -> None:
        if event == "call":
            found.extend(_read(group, frame))
        elif event == "c_call" and _top_package(frame) == package:
            found.extend(_called(group, called))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
        if found:
            raise found[0]


def check_repeatable(
    group: FeatureGroup, end: datetime, frames: Mapping[str, pl.DataFrame]
) -> None:
    """Compute the partition from the same rows: again, and in other orders.

    Raises:
        NotRepeatableError: Something else comes out, beyond the last bits of floats.
    """
    first = computed_rows(group, end, frames)
    for when, order in _ORDERS.items():
        again = computed_rows(group, end, {name: order(rows) for name, rows in frames.items()})
        difference = difference_of(first, again)
        if difference is not None:
            raise NotRepeatableError(
                group=group.spec.reference,
                problem=f"it computes something else {when} ({difference})",
                remedy="Leave nothing to chance: sort with a total order before you take the first",
            )


def computed_rows(
    group: FeatureGroup, end: datetime, frames: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """What a group's function returns, neither judged nor stamped."""
    return group(end=end, **frames).collect(engine="streaming")


def difference_of(one: pl.DataFrame, other: pl.DataFrame) -> str | None:
    """How two sets of rows differ, in one line; `None` where only last bits of floats do."""
    try:
        assert_frame_equal(
            one, other, check_row_order=False, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE
        )
    except AssertionError as error:
        return " ".join(str(error).split())
    return None


def _shuffled(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sample(fraction=1.0, shuffle=True, seed=7)


_ORDERS: Mapping[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "the next time": lambda rows: rows,
    "when rows come in reverse": pl.DataFrame.reverse,
    "when rows come in another order": _shuffled,
}


def _called(group: FeatureGroup, called: object) -> Iterator[Exception]:
    name = getattr(called, "__qualname__", "")
    owner = getattr(called, "__self__", None)
    of_time = isinstance(owner, ModuleType) and owner.__name__ == "time"
    if name in _CLOCKS or (of_time and name in _CLOCK_MODULE):
        yield NotRepeatableError(
            group=group.spec.reference,
            problem=f"it asks a clock, by {name}()",
            remedy="`end` is the only clock there is: take it as a parameter",
        )
    elif isinstance(owner, random.Random):
        yield NotRepeatableError(
            group=group.spec.reference,
            problem=f"it draws a random number, by {name}()",
            remedy="Compute the same from the same rows; hash a key to draw a sample",
        )
    elif called is open:
        yield _reads(group, "open()")


def _read(group: FeatureGroup, frame: FrameType) -> Iterator[Exception]:
    module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
    if module.startswith("polars.io") and name.startswith(_READS):
        yield _reads(group, f"polars.{name}()")


def _reads(group: FeatureGroup, by: str) -> PointInTimeError:
    return PointInTimeError(
        group=group.spec.reference,
        problem=f"it reads something that is no input, by {by}",
        remedy="Declare a source or a dimension, and take it as a parameter",
    )


def _top_package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
