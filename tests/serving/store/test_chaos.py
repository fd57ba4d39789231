"""The engine beside a store that hangs, restarts and drops connections all the time."""

import random
import time
from collections import Counter
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from headrace.contract.errors import (
    DeadlineExceededError,
    OverloadedError,
    StoreUnavailableError,
)
from headrace.serving.reading import Reading
from headrace.serving.store.engine import Engine
from headrace.tests.serving.store.driving import engine, healed, poll_until, read
from headrace.tests.valkey_processes import Process, Processes

pytestmark = [pytest.mark.server, pytest.mark.slow]

_DISTURBANCES = 24
_KEYS = 500
_EXPECTED = (DeadlineExceededError, OverloadedError, StoreUnavailableError)


@pytest.mark.parametrize("cache_bytes", [0, 20_000])
def test_every_reading_is_done_once_with_its_own_values_or_an_error_that_says_why(
    tmp_path: Path, cache_bytes: int
) -> None:
    chance = random.Random(7)  # noqa: S311  # to repeat the same
    callers = Callers(chance)
    with Processes(tmp_path) as processes:
        store = processes.start("--save", "")
        store.client.mset({key(number): value(number) for number in range(_KEYS)})
        url = f"redis://127.0.0.1:{store.port}"
        limits = {"waiting_readings": 200, "cache_bytes": cache_bytes}
        with engine(url, 0.1, **limits) as reader:
            for number in range(_DISTURBANCES):
                for _ in range(chance.randrange(100)):
                    callers.come(reader)
                    reader.poll(0.002)
                (drop, hang, pause)[number % 3](store, reader, callers)
                healed(reader, lambda: read(b"{AA}nothing"))
            poll_until(reader, callers.are_all_answered)
            waiting = (reader.waiting_readings, reader.waiting_keys)

    assert callers.wrong == []
    assert set(callers.done.values()) == {1}
    assert waiting == (0, 0)
    assert reader.counters.timeouts >= _DISTURBANCES // 3
    assert reader.counters.connects > _DISTURBANCES // 3 * 2
    assert (reader.counters.cached > 0) == (cache_bytes > 0)


class Callers:
    """Who reads, some of whom wait no longer than a moment, or leave."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._number = 0
        self._left = set[int]()
        self.done, self.wrong = Counter[int](), list[object]()

    def come(self, reader: Engine) -> None:
        for _ in range(self._chance.randrange(20)):
            self._number += 1
            ticket = reader.submit(
                self._reading(),
                self._taken(self._number),
                deadline=time.monotonic() + self._chance.choice([0.001, 0.05, inf]),
            )
            if self._chance.random() < 0.02:
                ticket.cancel()
                self._left.add(self._number)

    def are_all_answered(self) -> bool:
        return len(self.done.keys() | self._left) == self._number

    def _reading(self) -> Reading[bool]:
        """Whether every value is that of its key, over one or two round trips."""
        for _ in range(self._chance.choice([1, 1, 2])):
            wanted = [
                self._chance.randrange(_KEYS) for _ in range(self._chance.choice([1, 3, 100]))
            ]
            values = yield [key(number) for number in wanted]
            if values != [value(number) for number in wanted]:
                return False
        return True

    def _taken(self, number: int) -> Callable[[bool | Exception], None]:
        def take(found: bool | Exception) -> None:  # noqa: FBT001  # a result
            self.done[number] += 1
            if found is not True and not isinstance(found, _EXPECTED):
                self.wrong.append(found)

        return take


def key(number: int) -> bytes:
    return b"{AA}%d" % number


def value(number: int) -> bytes:
    return b"value of %d" % number


def drop(store: Process, reader: Engine, callers: Callers) -> None:
    callers.come(reader)
    reader.poll(0)
    store.client.client_kill_filter(skipme=True, _type="normal")


def hang(store: Process, reader: Engine, callers: Callers) -> None:
    """While it hangs, somebody waits for it."""
    store.stop()
    reader.submit(read(b"{AA}nothing"), lambda _: None)
    before = reader.counters.timeouts
    while reader.counters.timeouts == before:
        callers.come(reader)
        reader.poll(0.01)
    store.go_on()


def pause(store: Process, reader: Engine, callers: Callers) -> None:
    """It goes on by itself before anybody gives it up."""
    store.client.client_pause(30)
    callers.come(reader)
    reader.poll(0)
