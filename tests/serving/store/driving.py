"""Drives an engine as a transport does, and counts what a store was asked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import redis

from headrace.contract.errors import StoreUnavailableError
from headrace.serving.reading import Keys, Reading, Values
from headrace.serving.settings import StoreSettings
from headrace.serving.store.engine import Engine

_PATIENCE_SECONDS = 30
_Result = TypeVar("_Result")


def read(*keys: bytes) -> Reading[Values]:
    return (yield list(keys))


def read_twice(first: Keys, second: Keys) -> Reading[Values]:
    values = yield first
    return values + (yield second)


@contextmanager
def engine(url: str, seconds: float = 5, **changes: Any) -> Iterator[Engine]:  # noqa: ANN401  # any field of StoreSettings
    made = Engine(StoreSettings(url, timedelta(seconds=seconds), **changes))
    try:
        yield made
    finally:
        made.close()


def poll_until(reader: Engine, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        reader.poll(0.01)


def results(reader: Engine, *readings: Reading[_Result]) -> list[_Result | Exception]:
    """What they come to, submitted together."""
    found: dict[int, _Result | Exception] = {}
    for number, reading in enumerate(readings):
        reader.submit(reading, lambda result, number=number: found.update({number: result}))  # type: ignore[misc]
    poll_until(reader, lambda: len(found) == len(readings))
    return [found[number] for number in range(len(readings))]


def result(reader: Engine, reading: Reading[_Result]) -> _Result:
    """What a reading comes to.

    Raises:
        Exception: It came to an error.
    """
    (found,) = results(reader, reading)
    if isinstance(found, Exception):
        raise found
    return found


def healed(reader: Engine, reading: Callable[[], Reading[_Result]]) -> _Result:
    """What a reading comes to once the store is available again."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return result(reader, reading())
        except StoreUnavailableError:
            assert time.monotonic() < deadline, "it never healed"
            reader.poll(0.01)


def calls(store: redis.Redis, command: str = "mget") -> int:
    """How often the store was asked this."""
    found: Any = store.info("commandstats")
    return int(found.get(f"cmdstat_{command}", {"calls": 0})["calls"])
