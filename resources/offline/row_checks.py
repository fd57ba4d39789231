"""What rows have to fulfil before they are committed."""

import polars as pl

from ...contract.errors import (
    ColumnMismatchError,
    DataError,
    DuplicateRowsError,
    PartitionOutOfRangeError,
    RowsOutsidePartitionError,
)
from ...contract.partitions import Partitioning, Window
from .dtypes import refusal_by_delta
from .row_order import row_order
from .table_spec import WHOLE, KeyedPartitions, TableKind, TableSpec


def checked(spec: TableSpec, partition: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in declared column order, sorted by key, once every check has passed.

    Raises:
        ColumnMismatchError: Columns or types differ from the declared ones, or a list holds a null.
        PartitionOutOfRangeError: The table has no partition of this key.
        RowsOutsidePartitionError: A row's event timestamp is null or lies outside the partition.
        DuplicateRowsError: A key is null, or not unique with its event timestamp.
    """
    _check_columns(spec, frame)
    _check_lists(spec, frame)
    _check_membership(spec, partition, frame)
    rows = frame.select(spec.schema.names())
    if spec.key:
        return _sorted_by_key(spec, partition, rows)
    return _sorted(rows, spec.order)


def refused_rows(
    spec: TableSpec, partition: str, frame: pl.DataFrame, error: DataError
) -> pl.Series:
    """Which rows are why `checked` raised; all of them, if it was not about single rows."""
    if isinstance(error, RowsOutsidePartitionError) and isinstance(spec.partitioning, Partitioning):
        inside = _is_inside(spec, spec.partitioning.window(partition))
        return frame.select(~inside.fill_null(value=False)).to_series()
    if isinstance(error, DuplicateRowsError):
        unknown = frame.select(pl.any_horizontal(pl.col(spec.key).is_null())).to_series()
        return unknown if unknown.any() else frame.select(spec.order).is_duplicated()
    return pl.Series([True]).new_from_index(0, frame.height)


def _check_columns(spec: TableSpec, frame: pl.DataFrame) -> None:
    declared, found = spec.schema, frame.schema
    differences = [
        *(
            f"{name!r} ({dtype}) is missing"
            for name, dtype in declared.items()
            if name not in found
        ),
        *(
            f"{name!r} ({dtype}) is unexpected"
            for name, dtype in found.items()
            if name not in declared
        ),
        *(
            f"{name!r} is {found[name]}, expected {dtype}"
            for name, dtype in declared.items()
            if name in found and found[name] != dtype
        ),
        *(
            f"{name!r} is the name of a partition column: rename it"
            for name in spec.partition_columns
            if name in declared
        ),
        *(
            f"{name!r}: {refusal}"
            for name, dtype in declared.items()
            if (refusal := refusal_by_delta(dtype)) is not None
        ),
    ]
    if differences:
        raise ColumnMismatchError(table=spec.path, differences=differences)


def _check_lists(spec: TableSpec, frame: pl.DataFrame) -> None:
    """Features may be null, items of lists may not: no row that is published has a place for them.

    What is committed may be published, so that this has to be found before.
    """
    if spec.kind is not TableKind.FEATURES:
        return
    differences = [
        f"{name!r} has a null inside a list; drop or fill it"
        for name, dtype in spec.columns
        if isinstance(dtype, pl.List)
        and frame.select(pl.col(name).list.eval(pl.element().is_null()).list.any().any()).item()
    ]
    if differences:
        raise ColumnMismatchError(table=spec.path, differences=differences)


def _check_membership(spec: TableSpec, partition: str, frame: pl.DataFrame) -> None:
    if spec.partitioning is None:
        if partition != WHOLE:
            raise PartitionOutOfRangeError(
                subject=spec.path, partition=partition, first=WHOLE, last=WHOLE
            )
        return
    if isinstance(spec.partitioning, KeyedPartitions):
        return
    window = spec.partitioning.window(partition)
    if spec.event_timestamp is None:
        return
    inside = _is_inside(spec, window)
    outside = frame.height - frame.select(inside.fill_null(value=False).sum()).item()
    if outside:
        shown = (
            f"event timestamp {window.end:%Y-%m-%dT%H:%MZ}" if spec.stamped_at_end else str(window)
        )
        raise RowsOutsidePartitionError(
            table=spec.path, partition=partition, count=outside, window=shown
        )


def _is_inside(spec: TableSpec, window: Window) -> pl.Expr:
    at = pl.col(spec.event_timestamp or "")
    if spec.stamped_at_end:
        return at.eq(window.end)
    return at.is_between(window.start, window.end, closed="left")


def _sorted_by_key(spec: TableSpec, partition: str, rows: pl.DataFrame) -> pl.DataFrame:
    if any(rows[name].null_count() for name in spec.key):
        raise DuplicateRowsError(
            table=spec.path,
            partition=partition,
            count=rows.select(pl.any_horizontal(pl.col(spec.key).is_null()).sum()).item(),
            key=spec.key,
            problem="have a null join key",
        )
    if _increases(rows, spec.order):
        return rows
    # One instant for all rows, as membership has shown: a sort by one column costs half.
    is_one_instant = spec.stamped_at_end and isinstance(spec.partitioning, Partitioning)
    ordered = _sorted(rows, spec.key if is_one_instant else spec.order)
    # The rows are sorted by exactly these columns, so equal ones are neighbours.
    same = pl.all_horizontal(pl.col(name).eq(pl.col(name).shift(1)) for name in spec.order)
    repeated = ordered.select(same.fill_null(value=False).sum()).item()
    if repeated:
        raise DuplicateRowsError(
            table=spec.path,
            partition=partition,
            count=repeated,
            key=spec.order,
            problem="repeat a key",
        )
    return ordered


def _sorted(rows: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    if not by:
        return rows
    if any(rows[name].null_count() for name in by):
        return rows.sort(by, maintain_order=True)
    order = row_order([rows[name] for name in by])
    return rows if order is None else rows[order]


def _increases(rows: pl.DataFrame, order: tuple[str, ...]) -> bool:
    """Whether every row comes after the one before it: they are sorted, and no two are equal."""
    after = pl.lit(value=False)
    for name in reversed(order):
        before = pl.col(name).shift(1)
        after = pl.col(name).gt(before) | (pl.col(name).eq(before) & after)
    steps = rows.select(after.fill_null(value=False).sum()).item()
    return bool(steps >= rows.height - 1)
