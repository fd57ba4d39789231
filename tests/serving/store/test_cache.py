"""A cache of one connection: by itself, against a real store, and against one that is scripted."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.contract.errors import StoreUnavailableError
from headrace.serving.handler import Handler
from headrace.serving.store.cache import Cache
from headrace.serving.store.engine import Engine
from headrace.tests.serving.answering import handler, request
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.store.driving import engine, healed, poll_until, read, result
from headrace.tests.valkey_processes import Processes

_CACHE = 1 << 20
_SPEND = ["household_spend:spend_30d"]
_HOUSEHOLDS = list(range(6))


@given(
    st.lists(st.tuples(st.binary(max_size=2), st.binary(max_size=50) | st.none())),
    st.integers(0, 2000),
)
def test_a_cache_holds_what_was_filled_last_and_never_more_than_it_may(
    fills: list[tuple[bytes, bytes | None]], limit: int
) -> None:
    cache, newest = Cache(limit), dict[bytes, bytes]()
    for key, value in fills:
        if value is None:
            cache.drop([key])
            newest.pop(key, None)
        else:
            cache.fill(key, value)
            newest[key] = value
        assert cache.bytes <= limit

    keys = [key for key, _ in fills]
    found = zip(keys, cache.recall(keys), strict=True)
    held = {key: value for key, value in found if value is not None}

    assert held.items() <= newest.items()
    assert cache.bytes == sum(len(key) + len(value) + 160 for key, value in held.items())
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = Cache(3 * (1 + 1 + 160))
    for key in (b"a", b"b", b"c"):
        cache.fill(key, b"1")
    cache.recall([b"a", b"none"])

    cache.fill(b"d", b"1")

    assert cache.recall([b"a", b"b", b"c", b"d"]) == [b"1", None, b"1", b"1"]


@pytest.mark.server
def test_what_was_read_is_not_read_again_until_it_changes(
    publisher: Publisher, valkey_url: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    answering = handler()
    with engine(valkey_url, cache_bytes=_CACHE) as reader:
        first = look_up(reader, answering, [1])
        sent = reader.counters.keys
        second = look_up(reader, answering, [1])
        sent_again = reader.counters.keys - sent
        publisher.write(group(), {(1,): (13.5, 3)}, generation=2)
        reader.poll(1)
        third = look_up(reader, answering, [1])

    assert first == second != third
    assert sent_again == 0
    assert reader.counters.cached == 2
    assert third == uncached(valkey_url, [1])


_Step: TypeAlias = tuple[str, int]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "floor", "unguard", "delete", "flush", "lose"]),
        st.sampled_from(_HOUSEHOLDS),
    ),
    max_size=12,
)


@pytest.mark.server
@given(_STEPS)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_cached_answers_equal_uncached_ones_once_invalidations_have_arrived(
    valkey_url: str, store: redis.Redis, steps: list[_Step]
) -> None:
    """Small enough a cache that rows are let go of, and too small for none."""
    store.flushall()
    publisher, answering = Publisher(store, "default"), handler()
    publisher.publish(group(), {(household,): (1.0, 1) for household in _HOUSEHOLDS[:4]})
    with engine(valkey_url, cache_bytes=1000) as cached, engine(valkey_url) as plain:
        assert look_up(cached, answering) == look_up(plain, answering)
        for number, step in enumerate(steps, 2):
            take(step, number, publisher, store)
            # Comes back behind everything that the store had to say.
            healed(cached, lambda: read(b"{AA}nothing"))
            assert look_up(cached, answering) == look_up(plain, answering), step
            assert look_up(cached, answering, _HOUSEHOLDS[:2]) == look_up(
                plain, answering, _HOUSEHOLDS[:2]
            )


def take(step: _Step, number: int, publisher: Publisher, store: redis.Redis) -> None:
    what, household = step
    if what == "write":
        publisher.write(group(), {(household,): (float(number), 1)}, generation=number)
    elif what == "floor":
        publisher.guard(group(), generation=max(1, number - household))
    elif what == "unguard":
        store.delete(publisher.guard_key(group()))
    elif what == "delete":
        store.delete(publisher.key(group(), (household,)))
    elif what == "flush":
        store.flushall()
    else:
        store.client_kill_filter(skipme=True, _type="normal")


@pytest.mark.server
def test_a_cached_row_below_the_floor_is_read_again_before_it_counts_as_absent(
    publisher: Publisher, valkey_url: str, store: redis.Redis
) -> None:
    """The store may tell of a floor before it tells of a row: here it never tells of the row."""
    publisher.publish(group(), {(1,): (12.5, 3), (2,): (1.0, 1)})
    answering = handler()
    with engine(valkey_url, cache_bytes=_CACHE) as reader:
        look_up(reader, answering, [1, 2])
        key = publisher.key(group(), (1,))
        with engine(valkey_url) as plain:
            (old,) = result(plain, read(key))
        assert old is not None
        publisher.write(group(), {(1,): (13.5, 3)}, generation=2)
        publisher.guard(group(), generation=2)
        healed(reader, lambda: read(b"{AA}nothing"))
        cache = reader.caches[0]
        cache.fill(key, old)

        found = look_up(reader, answering, [1, 2])

    assert store.get(key) != old
    assert found == uncached(valkey_url, [1, 2])


@pytest.mark.server
def test_a_store_that_was_restarted_is_read_anew(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        server = processes.start()
        publisher = Publisher(server.client, "default")
        publisher.publish(group(), {(1,): (12.5, 3)})
        url, answering = f"redis://127.0.0.1:{server.port}", handler()
        with engine(url, seconds=0.2, cache_bytes=_CACHE) as reader:
            look_up(reader, answering, [1])
            server.stop()
            # Nothing is read: the silence itself is what must not be trusted.
            poll_until(reader, lambda: not reader.is_available)
            with pytest.raises(StoreUnavailableError):
                look_up(reader, answering, [1])
            server.go_on()
            publisher.write(group(), {(1,): (13.5, 3)}, generation=2)
            found = healed(
                reader, lambda: answering.get_online_features(request(_SPEND, household_id=[1]))
            )

        assert found == uncached(url, [1])


def test_an_invalidation_that_arrives_together_with_a_reply_beats_it() -> None:
    replies = [b"$3\r\nold\r\n" + gone(b"{AA}a"), b"$3\r\nnew\r\n"]
    with scripted(replies) as url, engine(url, cache_bytes=_CACHE) as reader:
        found = [result(reader, read(b"{AA}a")) for _ in range(3)]

    assert found == [[b"old"], [b"new"], [b"new"]]


@pytest.mark.parametrize("told", ["one", "all"])
def test_an_invalidation_that_arrives_while_a_read_is_in_flight_beats_it(told: str) -> None:
    """Though on one connection the reply behind it is newer: not to keep it is always right."""
    said = gone(b"{AA}a") if told == "one" else gone(None)
    replies = [said + b"$3\r\nold\r\n", b"$3\r\nnew\r\n"]
    with scripted(replies) as url, engine(url, cache_bytes=_CACHE) as reader:
        found = [result(reader, read(b"{AA}a")) for _ in range(3)]

    assert found == [[b"old"], [b"new"], [b"new"]]


def gone(key: bytes | None) -> bytes:
    """What a server says when a key, or everything, has changed."""
    keys = b"_\r\n" if key is None else b"*1\r\n$%d\r\n%b\r\n" % (len(key), key)
    return b">2\r\n$10\r\ninvalidate\r\n" + keys


@contextmanager
def scripted(replies: Sequence[bytes]) -> Iterator[str]:
    """A store that answers one MGET of one key after the other so."""

    def serve() -> None:
        client, _ = listener.accept()
        with client, suppress(OSError):
            answers = iter(replies)
            while received := client.recv(65536):
                if b"HELLO" in received:
                    client.sendall(b"%1\r\n$5\r\nproto\r\n:3\r\n")
                if b"SETINFO" in received or b"TRACKING" in received:
                    client.sendall(b"+OK\r\n" * (received.count(b"CLIENT")))
                if b"PING" in received:
                    client.sendall(b"+PONG\r\n")
                if b"MGET" in received:
                    head, behind, reply = next(answers).rpartition(b"$3")
                    client.sendall(replied(head, behind + reply))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        serving.join()


def replied(head: bytes, reply: bytes) -> bytes:
    """An MGET's reply is an array; what is said before or behind it is none of it."""
    value, behind = reply[:9], reply[9:]
    return head + b"*1\r\n" + value + behind


def look_up(reader: Engine, answering: Handler, households: list[int] = _HOUSEHOLDS) -> bytes:
    return result(reader, answering.get_online_features(request(_SPEND, household_id=households)))


def uncached(url: str, households: list[int]) -> bytes:
    with engine(url) as reader:
        return look_up(reader, handler(now=NOW), households)
