"""Rows that stand in a test, as frames of an input's schema; and which of them a function sees."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import polars as pl

from ..contract.errors import ColumnMismatchError, InvalidArgumentError, UnknownNameError
from .declarations import AnyInput, Dimension, FeatureGroup
from .pinned_inputs import asset_name, upstream_of

LiteralFrame: TypeAlias = pl.DataFrame | pl.LazyFrame | Iterable[Mapping[str, object]]


def literal_frame(each: AnyInput, rows: LiteralFrame, end: datetime) -> pl.DataFrame:
    """The rows as a frame of the input's schema, in its column order.

    Raises:
        UnknownNameError: The input has no such column.
        ColumnMismatchError: A column, or a value, is of another type.
        InvalidArgumentError: A row lacks its event timestamp.
    """
    table = upstream_of(each).table
    given = _given(each, rows)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in table.columns if name not in given]
    frame = given.with_columns(absent).select(table.schema.names())
    if isinstance(each, Dimension) or table.event_timestamp is None:
        return frame
    when = pl.col(table.event_timestamp)
    if table.stamped_at_end:
        return frame.with_columns(when.fill_null(pl.lit(end, frame.schema[table.event_timestamp])))
    if frame[table.event_timestamp].null_count():
        raise InvalidArgumentError(
            argument=each.name,
            problem=f"a row has no `{table.event_timestamp}`",
            remedy="say when it happened: only what lies in its window is seen",
        )
    return frame


def visible(
    each: AnyInput, rows: pl.DataFrame, group: FeatureGroup, partition: str
) -> pl.DataFrame:
    """The rows that a group's function sees of an input in a partition: those in its window."""
    table = upstream_of(each).table
    if isinstance(each, Dimension) or table.event_timestamp is None:
        return rows
    (window,) = (found.window for found in group.input_windows(partition) if found.input is each)
    start = max(window.start, each.upstream.start)
    when = pl.col(table.event_timestamp)
    if table.stamped_at_end:
        return rows.filter(when.is_between(start, window.end, closed="right"))
    return rows.filter(when.is_between(start, window.end, closed="left"))


def _given(each: AnyInput, rows: LiteralFrame) -> pl.DataFrame:
    schema, asset = upstream_of(each).table.schema, asset_name(upstream_of(each))
    literal = None if isinstance(rows, pl.DataFrame | pl.LazyFrame) else list(rows)
    if literal is None:
        found = rows.lazy().collect()  # type: ignore[union-attr]  # a frame, as just seen
        names: Sequence[str] = found.columns
    else:
        names = list(dict.fromkeys(name for row in literal for name in row))
    for name in names:
        if name not in schema:
            raise UnknownNameError(kind=f"column of {asset}", name=name, known=schema.names())
    if literal is None:
        differences = [
            f"{name!r} is {dtype}, expected {schema[name]}"
            for name, dtype in found.schema.items()
            if dtype not in {schema[name], pl.Null()}
        ]
        if differences:
            raise ColumnMismatchError(table=asset, differences=differences)
        return found.cast({name: schema[name] for name in names})
    columns = {name: [_value(row.get(name), schema[name]) for row in literal] for name in names}
    try:
        return pl.DataFrame(columns, schema={name: schema[name] for name in names})
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise ColumnMismatchError(table=asset, differences=[str(error)]) from error


def _value(value: object, dtype: pl.DataType) -> object:
    """A literal as its column takes it: texts as instants in UTC, integers as floats."""
    if isinstance(dtype, pl.Datetime) and isinstance(value, str | datetime):
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    if dtype.is_float() and type(value) is int:
        return float(value)
    return value
