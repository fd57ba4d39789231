"""Join key values as JSON spells them, made into those of their types."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from ...contract.errors import InvalidEntityError
from ...contract.feature_group import DType, EntitySpec

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EXACT = 2**53


def typed_entities(
    given: Mapping[str, Sequence[object]], entities: Iterable[EntitySpec]
) -> dict[str, list[object]]:
    """Values of a JSON body, as the join keys of what is asked for want them.

    Integers may be numbers or, as JSON readers lose digits beyond 2^53, texts; days are written as
    2018-01-31, bytes in base64. What no join key is called is left as it is, to be refused by
    whoever knows the others.

    Raises:
        InvalidEntityError: A value is not of its join key's type.
    """
    typed: dict[str, list[object]] = {name: list(column) for name, column in given.items()}
    for entity in entities:
        for key in entity.join_keys:
            read = _READERS[key.dtype]
            for position, value in enumerate(given.get(key.name, ())):
                try:
                    typed[key.name][position] = read(value)
                except (TypeError, ValueError) as error:
                    raise InvalidEntityError(
                        entity=entity.name, join_key=key.name, expected=key.dtype.name, got=value
                    ) from error
    return typed


def _integer(value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)  # 1.0 is an integer to JSON
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _day(value: object) -> date:
    if not _DAY.fullmatch(_text(value)):
        raise ValueError
    return date.fromisoformat(_text(value))


_READERS: dict[DType, Callable[[object], object]] = {
    DType.INT32: _integer,
    DType.INT64: _integer,
    DType.STRING: _text,
    DType.BYTES: _bytes,
    DType.DATE: _day,
}
