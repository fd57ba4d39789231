"""A fingerprint of what a function computes: its source, and that of what it names.

Functions of the same package count, with all that they name, and so do constants; comments inside a
function are source. Decorators do not count, nor libraries and their versions.
"""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from types import CodeType, FunctionType
from typing import Any

import polars as pl


def code_version(function: Callable[..., Any], declared: Iterable[str] = ()) -> str:
    """64 bits in hexadecimal that change when what the function returns may have changed.

    Args:
        function: The function.
        declared: What else decides its rows, as its schema and its inputs, each in words.
    """
    digest = hashlib.sha256()
    for part in (*_parts(function, seen=set()), *declared):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _parts(function: Callable[..., Any], seen: set[tuple[str, str]]) -> list[str]:
    if not isinstance(function, FunctionType):
        return [_spelled(function)]
    parts = [_source(function), _spelled(function.__defaults__), _spelled(function.__kwdefaults__)]
    for name, value in sorted(_named(function), key=lambda named: named[0]):
        if (function.__module__, name) in seen:
            continue
        seen.add((function.__module__, name))
        if isinstance(value, FunctionType) and _package(value) == _package(function):
            parts.extend(_parts(value, seen))
        else:
            parts.append(f"{name}={_spelled(value)}")
    return parts


def _named(function: FunctionType) -> Iterator[tuple[str, object]]:
    """The globals and the variables of enclosing functions that a function names."""
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents


def _package(function: FunctionType) -> str:
    return function.__module__.partition(".")[0]


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(each) for each in inner))


def _source(function: FunctionType) -> str:
    """The text from `def` on; the bytecode where there is no text, as in an interactive session."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(text).body[0]
    except (OSError, SyntaxError):
        return _spelled(function.__code__)
    return "".join(text.splitlines(keepends=True)[definition.lineno - 1 :])


def _spelled(value: object) -> str:
    """A constant as text that is the same in every process; of anything else its name."""
    match value:
        case bool() | int() | float() | complex() | str() | bytes() | date() | timedelta() | None:
            spelled = repr(value)
        case pl.Expr():
            spelled = str(value)
        case dict():
            spelled = repr([(_spelled(key), _spelled(each)) for key, each in value.items()])
        case list() | tuple():
            spelled = repr([_spelled(each) for each in value])
        case set() | frozenset():
            spelled = repr(sorted(_spelled(each) for each in value))
        case CodeType():
            spelled = f"{value.co_code.hex()} {_spelled(value.co_consts)} {value.co_names}"
        case _:
            named = value if hasattr(value, "__qualname__") else type(value)
            spelled = f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', '')}"
    return spelled
