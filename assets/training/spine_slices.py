"""A spine read slice by slice, in its order, so that it need not fit into memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import polars as pl

from ...contract.errors import InvalidArgumentError

Spine: TypeAlias = Path | pl.LazyFrame | pl.DataFrame


def lazy_spine(spine: Spine) -> pl.LazyFrame:
    """The spine as a plan; a path names a Parquet file, or a folder of such files.

    Raises:
        InvalidArgumentError: Nothing at the path can be read as Parquet.
    """
    if not isinstance(spine, Path):
        return spine.lazy()
    try:
        plan = pl.scan_parquet(spine)
        plan.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(spine, error) from error
    return plan


def slices(spine: Spine, rows: int | None) -> Iterator[pl.DataFrame]:
    """The spine's rows in order, so many at a time; all at once when `None`.

    An empty spine gives one empty slice, which has its columns.

    Raises:
        InvalidArgumentError: The spine's files cannot be read; less than one row at a time.
    """
    if rows is not None and rows < 1:
        raise InvalidArgumentError(
            argument="rows_per_part", problem=f"it is {rows}", remedy="give at least 1"
        )
    plan = lazy_spine(spine)
    any_rows = False
    try:
        if rows is None:
            yield plan.collect()
            return
        for each in _batches(plan, rows):
            any_rows = True
            yield each
    except (OSError, pl.exceptions.PolarsError) as error:
        if isinstance(spine, Path):
            raise _unreadable(spine, error) from error
        raise
    if not any_rows:
        yield pl.DataFrame(schema=plan.collect_schema())


def _batches(plan: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Frames of exactly so many rows, but for the last: polars' own batches vary in size."""
    waiting: list[pl.DataFrame] = []
    height = 0
    for batch in plan.collect_batches(chunk_size=rows, maintain_order=True):
        waiting.append(batch)
        height += batch.height
        while height >= rows:
            every = pl.concat(waiting)
            yield every.head(rows)
            waiting = [every.slice(rows)]
            height -= rows
    if height:
        yield pl.concat(waiting)


def _unreadable(spine: Path, error: Exception) -> InvalidArgumentError:
    return InvalidArgumentError(
        argument="spine",
        problem=f"{spine} cannot be read ({error})",
        remedy="name a Parquet file, or a folder of them",
    )
