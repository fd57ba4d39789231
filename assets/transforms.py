"""The functions of declarations: what they look like, and how they are called."""

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

import polars as pl

Frame: TypeAlias = pl.LazyFrame | pl.DataFrame
Reader: TypeAlias = Callable[[datetime, datetime], pl.LazyFrame]
DimensionReader: TypeAlias = Callable[[], pl.LazyFrame]
Transform: TypeAlias = Callable[..., pl.LazyFrame]


def computed(function: Transform, end: datetime, frames: Mapping[str, Frame]) -> pl.LazyFrame:
    """Call a function of frames and `end`; one that does not need `end` does not get it.

    Raises:
        TypeError: It returned no frame; it is named.
    """
    arguments: dict[str, object] = {name: frame.lazy() for name, frame in frames.items()}
    if "end" in inspect.signature(function).parameters:
        arguments["end"] = end
    returned = function(**arguments)
    if not isinstance(returned, pl.LazyFrame | pl.DataFrame):
        name = getattr(function, "__qualname__", repr(function))
        msg = f"{name} returned {type(returned).__name__}; let it return a polars frame"
        raise TypeError(msg)
    return returned.lazy()
