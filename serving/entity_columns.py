"""Entities as a caller gives them, made into what the join keys ask for and the wire carries."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeAlias

from ..contract.errors import InvalidArgumentError, InvalidEntityError
from ..contract.feature_group import DType, EntitySpec, JoinKey
from ..contract.keys import KeyValue
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb

Entities: TypeAlias = Mapping[str, Iterable[object]]
Columns: TypeAlias = Mapping[str, Sequence[KeyValue]]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_INTEGER_BITS = {DType.INT32: 31, DType.INT64: 63}


def typed_columns(entities: Entities, asked: Sequence[EntitySpec]) -> Columns:
    """The join key values of every entity, one column per join key, in Python's own types.

    Lists, tuples and columns of numpy, pandas, polars and Arrow will do.

    Raises:
        InvalidEntityError: A join key is missing, or a value is null, mistyped or out of range; or
            one value stands where a column belongs.
        InvalidArgumentError: A column is no join key of what is asked for; or lengths differ.
    """
    if not isinstance(entities, Mapping) and not hasattr(entities, "keys"):
        raise InvalidArgumentError(
            argument="entities",
            problem=f"it is a {type(entities).__name__}",
            remedy="give one column per join key, such as {'household_id': [1, 2]}",
        )
    keys = {key.name: (entity.name, key) for entity in asked for key in entity.join_keys}
    for name in entities:
        if name not in keys:
            raise InvalidArgumentError(
                argument="entities",
                problem=f"{name!r} is no join key of what is asked for",
                remedy=f"the join keys are {', '.join(keys)}",
            )
    columns = {
        name: _typed(entities.get(name), entity, key) for name, (entity, key) in keys.items()
    }
    if len({len(column) for column in columns.values()}) > 1:
        shown = ", ".join(f"{name}: {len(column)}" for name, column in columns.items())
        raise InvalidArgumentError(
            argument="entities",
            problem=f"the columns differ in length ({shown})",
            remedy="the i-th values together are the i-th entity",
        )
    return columns


def entity_columns(columns: Columns) -> list[pb.EntityColumn]:
    """The same columns as messages."""
    return [_message(name, column) for name, column in columns.items()]


def _typed(column: Iterable[object] | None, entity: str, key: JoinKey) -> Sequence[KeyValue]:
    expected = key.dtype.name
    values = _plain(column)
    if values is None:
        raise InvalidEntityError(
            entity=entity,
            join_key=key.name,
            expected=f"a list of {expected}" if column is not None else expected,
            got=column,
        )
    convert = _CONVERSIONS[key.dtype]
    typed = []
    for value in values:
        try:
            typed.append(convert(value))
        except (TypeError, ValueError) as error:
            raise InvalidEntityError(
                entity=entity, join_key=key.name, expected=expected, got=value
            ) from error
    return typed


def _plain(column: object) -> Iterable[object] | None:
    """A column's values without what numpy, pandas, polars and pyarrow wrap them in.

    `None` where there is no column, but one value or nothing.
    """
    for name in ("tolist", "to_list", "to_pylist"):
        method = getattr(column, name, None)
        if method is not None:
            column = method()
            break
    is_column = isinstance(column, Iterable) and not isinstance(column, str | bytes | Mapping)
    return column if is_column else None  # type: ignore[return-value]  # as just said


def _integer(dtype: DType) -> Callable[[object], KeyValue]:
    limit = 1 << _INTEGER_BITS[dtype]

    def convert(value: object) -> KeyValue:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]  # what is no integer raises TypeError
        if not -limit <= number < limit:
            raise ValueError
        return number

    return convert


def _text(value: object) -> KeyValue:
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return str(value)


def _binary(value: object) -> KeyValue:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError
    return bytes(value)


def _day(value: object) -> KeyValue:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError
    return value


_CONVERSIONS: dict[DType, Callable[[object], KeyValue]] = {
    DType.INT32: _integer(DType.INT32),
    DType.INT64: _integer(DType.INT64),
    DType.STRING: _text,
    DType.BYTES: _binary,
    DType.DATE: _day,
}


def _message(name: str, column: Sequence[KeyValue]) -> pb.EntityColumn:
    # An empty column says its type by being there; the server accepts any for no entities.
    if column and isinstance(column[0], str):
        return pb.EntityColumn(join_key=name, string_values=pb.StringValues(values=column))  # type: ignore[arg-type]  # columns are of one type
    if column and isinstance(column[0], bytes):
        return pb.EntityColumn(join_key=name, bytes_values=pb.BytesValues(values=column))  # type: ignore[arg-type]
    days = (
        value.toordinal() - _EPOCH_DAY if isinstance(value, date) else value for value in column
    )
    return pb.EntityColumn(join_key=name, int64_values=pb.Int64Values(values=days))  # type: ignore[arg-type]
