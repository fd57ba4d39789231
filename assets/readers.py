"""Ready-made readers: folders of Parquet and CSV, local or on S3, as frames of a schema."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from ..contract.errors import ColumnMismatchError, SourceUnreadableError
from .schemas import EVENT_TIMESTAMP_TYPE, Schema, columns_of, schema_columns

_ZONE = r"(Z|[+-]\d\d:?\d\d)$"
_DATE_LENGTH = len("2017-01-01")


def parquet_folder(
    path: str,
    *,
    schema: Schema,
    event_timestamp: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """The rows of all Parquet files of a folder.

    Args:
        path: A folder (searched to any depth), a file or a pattern; local or `s3://…`.
        schema: Its columns are returned, in its order and of its types; further ones are not read.
            The event timestamp alone is converted: dates and naive values are read as UTC, and
            other time zones and units become UTC in microseconds.
        event_timestamp: The column by which rows are taken; `None` takes all rows.
        start: Rows with start <= event timestamp are taken.
        end: Rows with event timestamp < end are taken.
        storage_options: Credentials and endpoint of an object store, as polars takes them.

    Raises:
        SourceUnreadableError: There is no file, or one that is no Parquet.
        ColumnMismatchError: A column is missing or of another type.
    """
    options = dict(storage_options) if storage_options else None
    frame = pl.scan_parquet(path, storage_options=options, extra_columns="ignore")
    found, expected = _found(path, frame), _expected(path, schema)
    differences = [
        f"{name}: expected {dtype}, found {found.get(name, 'no such column')}"
        for name, dtype in expected.items()
        if found.get(name) != dtype
        and not (name == event_timestamp and isinstance(found.get(name), (pl.Datetime, pl.Date)))
    ]
    if differences:
        raise ColumnMismatchError(table=path, differences=differences)
    if event_timestamp is not None:
        frame = _taken(frame, event_timestamp, found[event_timestamp], start=start, end=end)
    return frame.select(list(expected))


def csv_folder(
    path: str,
    *,
    schema: Schema,
    event_timestamp: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """The rows of all CSV files of a folder, all with the same header line.

    No type is guessed: values are parsed as the schema says, and text that does not parse is an
    error when the frame is collected. An empty field is null.

    Args:
        path: A folder, a file or a pattern; local or `s3://…`.
        schema: Its columns are returned, in its order; further ones are not read. Instants are
            ISO 8601 (`2017-01-01T06:00:00+01:00`), read as UTC when they name no time zone.
        event_timestamp: The column by which rows are taken; `None` takes all rows.
        start: Rows with start <= event timestamp are taken.
        end: Rows with event timestamp < end are taken.
        storage_options: Credentials and endpoint of an object store, as polars takes them.

    Raises:
        SourceUnreadableError: There is no file.
        ColumnMismatchError: A column is missing, or of a type that text does not spell.
    """
    options = dict(storage_options) if storage_options else None
    expected = _expected(path, schema)
    parsed = {name: dtype for name, dtype in expected.items() if not isinstance(dtype, pl.Datetime)}
    frame = pl.scan_csv(path, schema_overrides=parsed, infer_schema=False, storage_options=options)
    found = _found(path, frame)
    differences = [
        f"{name}: expected {dtype}, found {'text' if name in found else 'no such column'}"
        for name, dtype in expected.items()
        if name not in found or dtype.is_nested() or dtype == pl.Binary
    ]
    if differences:
        raise ColumnMismatchError(table=path, differences=differences)
    frame = frame.with_columns(
        _instant(name).cast(dtype)
        for name, dtype in expected.items()
        if isinstance(dtype, pl.Datetime)
    )
    if event_timestamp is not None:
        dtype = expected[event_timestamp]
        frame = _taken(frame, event_timestamp, dtype, start=start, end=end)
    return frame.select(list(expected))


def _expected(path: str, schema: Schema) -> dict[str, pl.DataType]:
    return dict(columns_of(schema_columns(f"reader of {path!r}", schema)))


def _found(path: str, frame: pl.LazyFrame) -> pl.Schema:
    try:
        return frame.collect_schema()
    except (OSError, pl.exceptions.ComputeError) as error:
        raise SourceUnreadableError(
            source=path,
            reason=str(error).partition("\n")[0],
            remedy="check that the folder exists, holds files, and may be read by this process",
        ) from error


def _taken(
    frame: pl.LazyFrame,
    column: str,
    dtype: pl.DataType,
    *,
    start: datetime | None,
    end: datetime | None,
) -> pl.LazyFrame:
    """Filter by the raw column, so that a scan can skip what statistics exclude; then convert."""
    zone = getattr(dtype, "time_zone", None)
    raw = pl.col(column).cast(pl.Datetime("us")) if dtype == pl.Date else pl.col(column)
    for bound, keep in ((start, raw.ge), (end, raw.lt)):
        if bound is not None:
            instant = pl.lit(bound, EVENT_TIMESTAMP_TYPE).dt.convert_time_zone(zone or "UTC")
            # Statistics are compared only with a literal of the very same type.
            raw_type = pl.Datetime("us") if dtype == pl.Date else dtype
            naive = instant.dt.replace_time_zone(None)
            frame = frame.filter(keep((instant if zone else naive).cast(raw_type)))
    utc = raw.dt.convert_time_zone("UTC") if zone else raw.dt.replace_time_zone("UTC")
    return frame.with_columns(utc.cast(EVENT_TIMESTAMP_TYPE))


def _instant(column: str) -> pl.Expr:
    text = pl.col(column).str.replace(" ", "T", literal=True)
    text = pl.when(text.str.len_bytes() == _DATE_LENGTH).then(text + "T00:00:00").otherwise(text)
    text = pl.when(text.str.contains(_ZONE)).then(text).otherwise(text + "Z")
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us").alias(column)
