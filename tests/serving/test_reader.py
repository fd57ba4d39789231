import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import pytest
import redis

from headrace.contract.errors import (
    DeadlineExceededError,
    OverloadedError,
    StoreUnavailableError,
)
from headrace.serving.reader import Reader
from headrace.serving.reading import Keys, Reading, Values
from headrace.serving.settings import StoreSettings
from headrace.tests.serving.running import Gate

pytestmark = pytest.mark.server

_Result = TypeVar("_Result")


def read(keys: Keys) -> Reading[Values]:
    return (yield keys)


def read_twice(first: Keys, second: Keys) -> Reading[Values]:
    values = yield first
    return values + (yield second)


def with_reader(
    url: str, use: Callable[[Reader], Awaitable[_Result]], seconds: float = 5
) -> _Result:
    """What is made of a reader, in an event loop of its own."""

    async def main() -> _Result:
        reader = Reader(StoreSettings(url, timeout=timedelta(seconds=seconds)))
        try:
            return await use(reader)
        finally:
            await reader.close()

    return asyncio.run(main())


async def healed(reader: Reader, keys: Keys) -> Values:
    """What is read once the store is available again."""
    while True:
        try:
            return await reader.run(read(keys))
        except StoreUnavailableError:
            await asyncio.sleep(0.01)


def mgets(store: redis.Redis) -> int:
    """How many MGETs the store has answered."""
    return int(store.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"])


def test_a_reading_is_sent_the_values_of_its_keys_in_order(
    valkey_url: str, store: redis.Redis
) -> None:
    store.mset({"a": "1", "b": "2"})

    values = with_reader(valkey_url, lambda reader: reader.run(read_twice([b"b", b"no"], [b"a"])))

    assert values == [b"2", None, b"1"]


def test_what_arrives_while_a_read_is_in_flight_leaves_together(
    valkey_url: str, store: redis.Redis
) -> None:
    store.mset({str(number): number for number in range(50)})

    async def use(reader: Reader) -> list[Values]:
        first = asyncio.create_task(reader.run(read([b"0"])))
        await asyncio.to_thread(gate.holding.wait)
        rest = [reader.run(read([str(number).encode()])) for number in range(1, 50)]
        waiting = asyncio.gather(*rest)
        await asyncio.sleep(0)
        gate.open.set()
        return [await first, *await waiting]

    with Gate(valkey_url, b"MGET") as gate:
        gate.open.clear()
        before = mgets(store)
        values = with_reader(gate.url, use)

    assert values == [[str(number).encode()] for number in range(50)]
    assert mgets(store) - before == 2


def test_a_caller_who_leaves_takes_nobody_with_him(valkey_url: str, store: redis.Redis) -> None:
    store.set("a", "1")

    async def use(reader: Reader) -> tuple[object, Values]:
        leaving, staying = (asyncio.create_task(reader.run(read([b"a"]))) for _ in range(2))
        await asyncio.to_thread(gate.holding.wait)
        leaving.cancel()
        gate.open.set()
        (left,) = await asyncio.gather(leaving, return_exceptions=True)
        return left, await staying

    with Gate(valkey_url, b"MGET") as gate:
        gate.open.clear()
        left, values = with_reader(gate.url, use)

    assert isinstance(left, asyncio.CancelledError)
    assert values == [b"1"]


def test_a_deadline_ends_a_reading_that_is_in_flight(valkey_url: str) -> None:
    async def use(reader: Reader) -> None:
        with pytest.raises(DeadlineExceededError):
            await reader.run(read([b"a"]), time.monotonic() + 0.05)

    with Gate(valkey_url, b"MGET") as gate:
        gate.open.clear()
        with_reader(gate.url, use)


def test_what_is_ready_at_once_beyond_what_may_wait_is_refused(
    valkey_url: str, store: redis.Redis
) -> None:
    store.set("a", "1")

    async def main() -> list[Values | BaseException]:
        reader = Reader(StoreSettings(valkey_url, waiting_readings=3))
        try:
            readings = (reader.run(read([b"a"])) for _ in range(5))
            return await asyncio.gather(*readings, return_exceptions=True)
        finally:
            await reader.close()

    *answered, first, second = asyncio.run(main())

    assert answered == [[b"1"]] * 3
    assert [type(first), type(second)] == [OverloadedError] * 2


def test_a_reader_is_closed_though_a_read_is_in_flight(valkey_url: str) -> None:
    async def use(reader: Reader) -> set[asyncio.Task[None]]:
        leaving = asyncio.create_task(reader.run(read([b"a"])))
        await asyncio.to_thread(gate.holding.wait)
        leaving.cancel()
        await reader.close()
        with suppress(asyncio.CancelledError):
            await leaving
        return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    with Gate(valkey_url, b"MGET") as gate:
        gate.open.clear()
        assert with_reader(gate.url, use) == set()


def test_a_store_that_is_silent_is_unavailable_within_the_timeout_and_then_heals(
    valkey_url: str, store: redis.Redis
) -> None:
    store.set("a", "1")

    async def use(reader: Reader) -> tuple[float, Values]:
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"redis://127\.0\.0\.1:"):
            await reader.run(read([b"a"]))
        waited = time.monotonic() - started
        with pytest.raises(StoreUnavailableError, match="no reply within"):
            await reader.run(read([b"a"]))
        gate.open.set()
        return waited, await healed(reader, [b"a"])

    with Gate(valkey_url, b"MGET") as gate:
        gate.open.clear()
        waited, values = with_reader(gate.url, use, seconds=0.2)

    assert waited < 1
    assert values == [b"1"]


def test_a_connection_that_the_store_closed_is_made_again_unnoticed(
    valkey_url: str, store: redis.Redis
) -> None:
    store.set("a", "1")

    async def use(reader: Reader) -> list[Values]:
        first = await reader.run(read([b"a"]))
        store.client_kill_filter(skipme=True, _type="normal")
        return [first, await reader.run(read([b"a"]))]

    assert with_reader(valkey_url, use) == [[b"1"], [b"1"]]


def test_a_read_that_timed_out_never_answers_the_next_one(
    valkey_url: str, store: redis.Redis
) -> None:
    """Its reply may still arrive: the connection must not be used again."""
    store.mset({"a": "1", "b": "2"})

    async def use(reader: Reader) -> list[Values]:
        with pytest.raises(StoreUnavailableError):
            await reader.run(read([b"a"]))
        gate.open.set()
        return [await healed(reader, [b"b"]) for _ in range(3)]

    with Gate(valkey_url, b"MGET") as gate:
        gate.open.clear()
        assert with_reader(gate.url, use, seconds=0.2) == [[b"2"]] * 3


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://:secret@127.0.0.1:1/3", "redis://127.0.0.1:1/3"),
        ("redis://user:secret@127.0.0.1:1", "redis://127.0.0.1:1"),
        ("unix:///nowhere/valkey.sock?password=secret", "unix:///nowhere/valkey.sock"),
    ],
)
def test_an_unreachable_store_is_named_without_its_password(url: str, address: str) -> None:
    with pytest.raises(StoreUnavailableError) as unavailable:
        with_reader(url, lambda reader: reader.run(read([b"a"])))

    assert unavailable.value.store == address
    assert "secret" not in str(unavailable.value)
