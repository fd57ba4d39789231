"""Reading sources and dimensions into the offline store."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import polars as pl

from ..contract.errors import RowsOutsidePartitionError
from ..contract.partitions import Window
from ..resources.offline.table_spec import WHOLE
from .declarations import Dimension, Source
from .identity import content_identity
from .outcomes import Outcome, Pending, Run, Stopwatch, commit_all
from .verdicts import judge

_TOGETHER = 32  # partitions that a reader is asked for at once; bounds memory


def ingest_source(source: Source, partitions: Sequence[str], run: Run) -> Iterator[Outcome]:
    """Read partitions, neighbours together, in time's order; commit those whose rows changed."""
    read = (
        pending
        for keys in _neighbours(source, sorted(partitions))
        for pending in _read_together(source, keys)
    )
    yield from commit_all(read, run, run.store.table(source.table), source.code_version)


def ingest_dimension(dimension: Dimension, run: Run) -> Iterator[Outcome]:
    """Read a dimension as a whole, and commit it if its rows changed."""
    table = run.store.table(dimension.table)
    yield from commit_all([_read_whole(dimension)], run, table, dimension.code_version)


def identity_as_read(source: Source, partition: str) -> str:
    """The identity that a partition would be committed with, of the rows that are read now.

    Of rows that would be refused it is another one than of any that were committed.
    """
    ((_, rows),) = _read(source, [partition])
    judged = judge(source.schema, rows)
    if not judged.verdict.passed:
        return f"refused {content_identity(rows)}"
    return content_identity(judged.rows)


def _read_whole(dimension: Dimension) -> Pending:
    elapsed = Stopwatch()
    try:
        rows = dimension().collect()
    except Exception as error:  # noqa: BLE001 - a reader is its author's: it may raise anything
        return Pending(Outcome(partition=WHOLE, seconds=elapsed(), error=error))
    return _judged(dimension, WHOLE, rows, elapsed)


def _read_together(source: Source, keys: Sequence[str]) -> Iterator[Pending]:
    elapsed = Stopwatch()
    try:
        slices = _read(source, keys)
    except Exception as error:  # noqa: BLE001 - as above
        if len(keys) == 1:
            yield Pending(Outcome(partition=keys[0], seconds=elapsed(), error=error))
        for key in keys if len(keys) > 1 else ():
            # Alone, so that only those fail whose own window has something wrong with it.
            yield from _read_together(source, [key])
        return
    for key, rows in slices:
        yield _judged(source, key, rows, elapsed)
        elapsed = Stopwatch()


def _judged(
    declared: Source | Dimension, key: str, rows: pl.DataFrame, elapsed: Stopwatch
) -> Pending:
    judged = judge(declared.schema, rows)
    outcome = Outcome(partition=key, seconds=elapsed(), verdict=judged.verdict)
    if not judged.verdict.passed:
        return Pending(outcome, refused=judged.refused)
    return Pending(outcome, judged.rows, content_identity(judged.rows))


def _read(source: Source, keys: Sequence[str]) -> list[tuple[str, pl.DataFrame]]:
    windows = [source.partitions.window(key) for key in keys]
    whole = Window(windows[0].start, windows[-1].end)
    rows = source(whole.start, whole.end).collect()
    if len(keys) == 1:
        return [(keys[0], rows)]
    slices = [
        (key, rows.filter(_within(source, at))) for key, at in zip(keys, windows, strict=True)
    ]
    outside = rows.height - sum(part.height for _, part in slices)
    if outside:
        raise RowsOutsidePartitionError(
            table=f"source {source.name!r}",
            partition=f"{keys[0]}..{keys[-1]}",
            count=outside,
            window=str(whole),
        )
    return slices


def _within(source: Source, window: Window) -> pl.Expr:
    return pl.col(source.event_timestamp).is_between(window.start, window.end, closed="left")


def _neighbours(source: Source, keys: Sequence[str]) -> Iterator[list[str]]:
    if not keys:
        return
    together = [keys[0]]
    for before, key in pairwise(keys):
        is_next = source.partitions.window(before).end == source.partitions.window(key).start
        if not is_next or len(together) == _TOGETHER:
            yield together
            together = []
        together.append(key)
    yield together
