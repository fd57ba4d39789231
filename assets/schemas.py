"""What the columns of a declaration must be: join keys, event timestamps, features."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaDefinitionError, SchemaError, SchemaInitError

from ..contract.errors import DefinitionError
from ..contract.feature_group import JOIN_KEY_DTYPES, DType, EntitySpec, FeatureSpec, JoinKey
from ..resources.offline.dtypes import contract_dtype, polars_dtype, refusal_by_delta
from ..resources.offline.table_spec import EVENT_TIMESTAMP
from .column_names import check_column_name, check_distinct, check_stored_name
from .validation import check_name

EventTimestamp: TypeAlias = Annotated[pl.Datetime, "us", "UTC"]
"""The column type of an event timestamp: UTC, microseconds."""

Schema: TypeAlias = type[pa.DataFrameModel]
PolarsType: TypeAlias = pl.DataType | type[pl.DataType]

EVENT_TIMESTAMP_TYPE = pl.Datetime("us", "UTC")


def entity_spec(name: str, join_keys: Mapping[str, PolarsType]) -> EntitySpec:
    """The published form of an entity, its join keys in declared order."""
    subject = f"entity {name!r}"
    check_name(subject, name)
    if not join_keys:
        raise DefinitionError(
            subject=subject,
            field="join_keys",
            problem="there are none",
            remedy='Name at least one column and its type, as {"household_id": pl.Int64}',
        )
    return EntitySpec(
        name, tuple(_join_key(subject, column, dtype) for column, dtype in join_keys.items())
    )


def _join_key(subject: str, column: str, dtype: PolarsType) -> JoinKey:
    field = f"join key {column!r}"
    check_column_name(subject, field, column)
    if column == EVENT_TIMESTAMP:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem="the name means when a row became true",
            remedy="Choose another name",
        )
    known = feature_dtype(subject, field, dtype)
    if known not in JOIN_KEY_DTYPES:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"{known.name} does not identify",
            remedy=f"Use one of {', '.join(sorted(dtype.name for dtype in JOIN_KEY_DTYPES))}",
        )
    return JoinKey(column, known)


def feature_dtype(subject: str, field: str, dtype: PolarsType) -> DType:
    """The contract's type of a column that readers of a feature group see."""
    try:
        return contract_dtype(dtype)
    except ValueError as error:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"{dtype} cannot be served",
            remedy=str(error),
        ) from error


def schema_columns(subject: str, schema: Schema) -> dict[str, pa.Column]:
    """The columns of a pandera model, in declared order.

    Raises:
        DefinitionError: It is no model, is wrong in itself, casts, or a column may be missing.
    """
    if not (isinstance(schema, type) and issubclass(schema, pa.DataFrameModel)):
        raise DefinitionError(
            subject=subject,
            field="schema",
            problem=f"{schema!r} is no pandera model",
            remedy="Pass a class derived from pandera.polars.DataFrameModel",
        )
    field = f"schema {schema.__name__}"
    try:
        columns = schema.to_schema().columns
    except (SchemaDefinitionError, SchemaError, SchemaInitError, TypeError) as error:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"pandera refuses it ({error})",
            remedy="Correct the model",
        ) from error
    _check_schema(subject, field, schema, columns)
    return dict(columns)


def _check_schema(
    subject: str, field: str, schema: Schema, columns: Mapping[str, pa.Column]
) -> None:
    if not columns:
        raise DefinitionError(
            subject=subject, field=field, problem="it has no columns", remedy="Declare them"
        )
    if schema.to_schema().coerce or any(column.coerce for column in columns.values()):
        raise DefinitionError(
            subject=subject,
            field=field,
            problem="it coerces, and nothing is ever cast silently",
            remedy="Remove `coerce` and cast in the function",
        )
    if schema.to_schema().drop_invalid_rows or any(
        column.drop_invalid_rows for column in columns.values()
    ):
        raise DefinitionError(
            subject=subject,
            field=field,
            problem="it drops invalid rows, and nothing is ever dropped silently",
            remedy="Remove `drop_invalid_rows`; filter in the function, or let the rule only warn"
            " (raise_warning=True)",
        )
    check_distinct(subject, field, columns)
    for name, column in columns.items():
        at = f"{field}.{name}"
        check_stored_name(subject, at, name)
        refusal = refusal_by_delta(polars_type(column))
        if refusal is not None:
            raise DefinitionError(
                subject=subject, field=at, problem="no Delta table holds it", remedy=refusal
            )
        if not column.required:
            raise DefinitionError(
                subject=subject,
                field=at,
                problem="the column may be missing",
                remedy="Declare it without Optional; pa.Field(nullable=True) allows nulls",
            )


def polars_type(column: pa.Column) -> pl.DataType:
    """The polars type of a pandera column."""
    dtype: PolarsType = column.dtype.type
    return dtype() if isinstance(dtype, type) else dtype


def check_event_timestamp(
    subject: str, schema: Schema, columns: Mapping[str, pa.Column], name: str
) -> None:
    """Refuse a schema whose event timestamp is missing, nullable, or not UTC in microseconds."""
    field = f"schema {schema.__name__}.{name}"
    column = columns.get(name)
    if column is None:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem="there is no such column to hold the event timestamp",
            remedy=f"Declare `{name}: EventTimestamp`",
        )
    if polars_type(column) != EVENT_TIMESTAMP_TYPE or column.nullable:
        nullable = "nullable " if column.nullable else ""
        raise DefinitionError(
            subject=subject,
            field=field,
            problem="an event timestamp is UTC in microseconds and never null; "
            f"this is {nullable}{column.dtype}",
            remedy=f"Declare `{name}: EventTimestamp`",
        )


def description_of(function: Callable[..., object], schema: Schema) -> str:
    """What people read about a declaration: what the function says of itself, else the schema."""
    return inspect.getdoc(function) or inspect.cleandoc(schema.__doc__ or "")


def columns_of(columns: Mapping[str, pa.Column]) -> tuple[tuple[str, pl.DataType], ...]:
    """Names and types, in declared order."""
    return tuple((name, polars_type(column)) for name, column in columns.items())


def feature_specs(
    subject: str,
    schema: Schema,
    columns: Mapping[str, pa.Column],
    *,
    entity: EntitySpec,
    is_upsert: bool,
) -> tuple[FeatureSpec, ...]:
    """The features of a group: what is neither a join key nor the event timestamp.

    Raises:
        DefinitionError: A join key is missing, mistyped or nullable; the event timestamp is missing
            (upsert) or declared (the platform stamps it); a feature's type cannot be served; there
            is no feature.
    """
    field = f"schema {schema.__name__}"
    for key in entity.join_keys:
        _check_join_key(
            subject, f"{field}.{key.name}", columns.get(key.name), entity=entity, key=key
        )
    if is_upsert:
        check_event_timestamp(subject, schema, columns, EVENT_TIMESTAMP)
    elif EVENT_TIMESTAMP in columns:
        raise DefinitionError(
            subject=subject,
            field=f"{field}.{EVENT_TIMESTAMP}",
            problem="the platform stamps every row with the end of its partition",
            remedy='Remove it, or declare online="upsert" for rows with times of their own',
        )
    others = {*entity.key_names, EVENT_TIMESTAMP}
    features = tuple(
        _feature(subject, f"{field}.{name}", name, column)
        for name, column in columns.items()
        if name not in others
    )
    if not features:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem="it has no features",
            remedy="Declare at least one",
        )
    return features


def _check_join_key(
    subject: str, field: str, column: pa.Column | None, *, entity: EntitySpec, key: JoinKey
) -> None:
    if column is None:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"join key {key.name!r} of entity {entity.name!r} is missing",
            remedy=f"Declare the column as {polars_dtype(key.dtype)}",
        )
    found = polars_type(column)
    if found != polars_dtype(key.dtype) or column.nullable:
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"entity {entity.name!r} has this join key as {polars_dtype(key.dtype)}, never "
            f"null; this is {'nullable ' if column.nullable else ''}{found}",
            remedy="Declare it with the entity's type",
        )


def _feature(subject: str, field: str, name: str, column: pa.Column) -> FeatureSpec:
    check_column_name(subject, field, name)
    check_distinct(subject, field, [EVENT_TIMESTAMP, name])
    metadata = column.metadata or {}
    return FeatureSpec(
        name=name,
        dtype=feature_dtype(subject, field, polars_type(column)),
        nullable=bool(column.nullable),
        description=column.description or "",
        tags=tuple(sorted((str(key), str(value)) for key, value in metadata.items())),
    )
