"""The engine beside a store that hangs, restarts and drops connections all the time."""

import random
import time
from collections import Counter
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest
import redis

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

_SECONDS = 10
_KEYS = 500
_EXPECTED = (DeadlineExceededError, OverloadedError, StoreUnavailableError)


@pytest.mark.parametrize("cache_bytes", [0, 20_000])
def test_every_reading_is_done_once_with_its_own_values_or_an_error_that_says_why(
    tmp_path: Path, cache_bytes: int
) -> None:
    chance = random.Random(7)  # noqa: S311  # to repeat the same
    done, wrong = Counter[int](), list[object]()
    cancelled = set[int]()
    with Processes(tmp_path) as processes:
        store = processes.start("--save", "")
        fill(store)
        url = f"redis://127.0.0.1:{store.port}"
        limits = {"waiting_readings": 200, "cache_bytes": cache_bytes}
        with engine(url, 0.1, **limits) as reader:
            submitted = 0
            until = time.monotonic() + _SECONDS
            while time.monotonic() < until:
                for _ in range(chance.randrange(20)):
                    ticket = reader.submit(
                        checked(chance),
                        taken(submitted, done, wrong),
                        deadline=time.monotonic() + chance.choice([0.001, 0.05, inf]),
                    )
                    if chance.random() < 0.02:
                        ticket.cancel()
                        cancelled.add(submitted)
                    submitted += 1
                reader.poll(0.002)
                if chance.random() < 0.01:
                    disturb(store, chance, reader)
            store.go_on()
            poll_until(reader, lambda: len(done.keys() | cancelled) == submitted)
            waiting = (reader.waiting_readings, reader.waiting_keys)
            healed(reader, lambda: read(b"1"))

    assert wrong == []
    assert set(done.values()) == {1}
    assert waiting == (0, 0)
    assert reader.counters.timeouts > 0
    assert reader.counters.retried > 0


def fill(store: Process) -> None:
    store.client.mset({b"%d" % number: b"value of %d" % number for number in range(_KEYS)})


def checked(chance: random.Random) -> Reading[bool]:
    """Whether every value is that of its key, over one or two round trips."""
    for _ in range(chance.choice([1, 1, 2])):
        keys = [b"%d" % chance.randrange(_KEYS) for _ in range(chance.choice([1, 3, 100]))]
        values = yield keys
        if values != [b"value of " + key for key in keys]:
            return False
    return True


def taken(
    number: int, done: Counter[int], wrong: list[object]
) -> Callable[[bool | Exception], None]:
    def take(found: bool | Exception) -> None:  # noqa: FBT001  # a result
        done[number] += 1
        if found is not True and not isinstance(found, _EXPECTED):
            wrong.append(found)

    return take


def disturb(store: Process, chance: random.Random, reader: Engine) -> None:
    what = chance.choice(["drop", "hang", "block"])
    if what == "drop":
        store.client.client_kill_filter(skipme=True, _type="normal")
    elif what == "hang":
        store.stop()
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            reader.poll(0.01)
        store.go_on()
    else:
        with redis.Redis(port=store.port) as client:
            client.client_pause(30)
