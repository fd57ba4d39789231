"""Values of settings as a variable, a flag or a TOML file spells them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

_YES_AND_NO = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def bare_type(annotation: Any) -> Any:  # noqa: ANN401  # a type, or what stands for one
    """The type without `| None`."""
    if isinstance(annotation, UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not NoneType)
    return annotation


def is_table(annotation: object) -> bool:
    """Whether a field holds settings of its own."""
    return is_dataclass(bare_type(annotation))


def read_value(annotation: Any, value: object) -> object:  # noqa: ANN401  # as above
    """A value of a field's type, from text or from what TOML says.

    Durations are seconds. An empty text means none, where there may be none.

    Raises:
        ValueError: It is no such value; the message says what would be.
    """
    if value == "" and bare_type(annotation) is not annotation:
        return None
    kind = bare_type(annotation)
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind), value)
    read = _READERS.get(get_origin(kind) or kind)
    if read is None:
        msg = f"settings of type {kind} cannot be read"
        raise TypeError(msg)
    return read(value)


def spelled(value: object) -> str:
    """A value as TOML spells it."""
    match value:
        case bool():
            return str(value).lower()
        case timedelta():
            return f"{value.total_seconds():g}"
        case int() | float():
            return str(value)
        case None:
            return '""'
        case Mapping():
            inner = ", ".join(f'"{name}" = {spelled(one)}' for name, one in value.items())
            return f"{{{inner}}}"
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'


def _one_of(known: tuple[str, ...], value: object) -> object:
    if value not in known:
        msg = f"one of {', '.join(known)}"
        raise ValueError(msg)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = "a text"
        raise ValueError(msg)  # noqa: TRY004  # its callers catch one kind
    return value


def _whole(value: object) -> int:
    msg = "a whole number, zero or above"
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(msg)
    return number


def _number(value: object) -> float:
    msg = "a number, zero or above"
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError as error:
        raise ValueError(msg) from error
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise ValueError(msg)
    return number


def _duration(value: object) -> timedelta:
    try:
        return timedelta(seconds=_number(value))
    except (ValueError, OverflowError) as error:
        msg = "a number of seconds, zero or above"
        raise ValueError(msg) from error


def _truth(value: object) -> bool:
    if isinstance(value, str):
        value = _YES_AND_NO.get(value.lower())
    if not isinstance(value, bool):
        msg = "true or false"
        raise ValueError(msg)  # noqa: TRY004  # as above
    return value


def _rates(value: object) -> Mapping[str, float]:
    """`name=5,*=100` as text, a table in TOML; a number alone is for everybody."""
    if isinstance(value, str):
        parts = (part.strip().rpartition("=") for part in value.split(",") if part.strip())
        value = {name.strip() or "*": number.strip() for name, _, number in parts}
    if not isinstance(value, Mapping):
        value = {"*": value}
    msg = "rates above zero, such as ranking=5000,*=100"
    try:
        rates = {name: _number(number) for name, number in value.items()}
    except ValueError as error:
        raise ValueError(msg) from error
    if not all(rates.values()):
        raise ValueError(msg)
    return rates


_READERS: dict[Any, Callable[[object], object]] = {
    bool: _truth,
    float: _number,
    int: _whole,
    str: _text,
    Path: lambda value: Path(_text(value)),
    timedelta: _duration,
    Mapping: _rates,
}
