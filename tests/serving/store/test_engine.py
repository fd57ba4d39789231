"""The engine against a real store, with a gate before it, and against servers that misbehave."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from math import inf
from pathlib import Path

import pytest
import redis

from headrace.contract.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    OverloadedError,
    StoreUnavailableError,
)
from headrace.resources.online.local_valkey import LocalValkey
from headrace.serving.reading import Reading, Values
from headrace.tests.serving.running import Gate
from headrace.tests.serving.store.driving import (
    calls,
    engine,
    healed,
    poll_until,
    read,
    read_twice,
    result,
    results,
)
from headrace.tests.valkey import environment_of
from headrace.tests.valkey_cluster import say
from headrace.tests.valkey_processes import Processes, free_port

pytestmark = pytest.mark.server


def test_readings_that_are_submitted_together_leave_in_one_read(
    valkey_url: str, store: redis.Redis
) -> None:
    store.mset({str(number): number for number in range(50)})
    store.config_resetstat()

    with engine(valkey_url) as reader:
        found = results(reader, *(read(b"%d" % number, b"no") for number in range(50)))

    assert found == [[b"%d" % number, None] for number in range(50)]
    assert calls(store) == 1


def test_at_most_four_reads_are_in_flight_and_what_comes_meanwhile_leaves_in_the_next(
    valkey_url: str, store: redis.Redis
) -> None:
    store.set("a", "1")
    store.config_resetstat()
    found: list[Values | Exception] = []
    with Gate(valkey_url, b"MGET") as gate, engine(gate.url) as reader:
        result(reader, read(b"a"))
        gate.open.clear()
        for _ in range(9):
            reader.submit(read(b"a"), found.append)
            reader.poll(0)
        sent, waiting = reader.counters.batches, (reader.waiting_readings, reader.waiting_keys)
        gate.open.set()
        poll_until(reader, lambda: len(found) == 9)

    assert (sent, waiting) == (1 + 4, (5, 5))
    assert found == [[b"1"]] * 9
    assert calls(store) == 1 + 4 + 1


def test_a_read_of_many_keys_is_split(valkey_url: str, store: redis.Redis) -> None:
    keys = [b"%d" % number for number in range(250)]
    store.mset({key: key for key in keys})
    store.config_resetstat()

    with engine(valkey_url, keys_at_once=100) as reader:
        found = results(reader, read(*keys), read(b"7"))

    assert found == [keys, [b"7"]]
    assert calls(store) == 3 + 1


def test_a_reading_that_needs_no_key_or_fails_at_once_is_done_when_it_is_submitted() -> None:
    def fails() -> Reading[str]:
        raise ValueError
        yield []

    def needs_none() -> Reading[str]:
        values = yield []
        return f"{values}"

    found: list[str | Exception] = []
    with engine("redis://127.0.0.1:1") as reader:
        reader.submit(needs_none(), found.append)
        reader.submit(fails(), found.append)

    assert found[0] == "[]"
    assert isinstance(found[1], ValueError)


def test_a_loop_can_watch_the_engine(valkey_url: str) -> None:
    found: list[Values | Exception] = []
    with engine(valkey_url) as reader:
        assert reader.next_event() == inf
        reader.submit(read_twice([b"a"], [b"b"]), found.append)
        reader.poll(0)
        while not found:
            assert reader.next_event() < inf
            assert select.select([reader], [], [], 30)[0]
            reader.poll(0)
        assert reader.next_event() == inf

    assert found == [[None, None]]


def test_a_reading_whose_deadline_passes_ends_then_and_is_not_sent_any_more(
    valkey_url: str,
) -> None:
    found: dict[str, Values | Exception] = {}
    with Gate(valkey_url, b"MGET") as gate, engine(gate.url, flights=1) as reader:
        result(reader, read(b"a"))
        gate.open.clear()
        soon = time.monotonic() + 0.05
        for name, deadline in (("sent", soon), ("waiting", soon), ("patient", inf)):
            reader.submit(
                read(name.encode()),
                lambda result, name=name: found.update({name: result}),  # type: ignore[misc]
                deadline=deadline,
            )
            reader.poll(0)
        poll_until(reader, lambda: len(found) == 2)
        gate.open.set()
        poll_until(reader, lambda: len(found) == 3)
        keys, expired = reader.counters.keys, reader.counters.expired

    assert isinstance(found["sent"], DeadlineExceededError)
    assert isinstance(found["waiting"], DeadlineExceededError)
    assert found["patient"] == [None]
    assert (keys, expired) == (1 + 2, 2)


def test_a_cancelled_reading_is_never_done_and_not_sent_any_more(valkey_url: str) -> None:
    found: list[str] = []
    with Gate(valkey_url, b"MGET") as gate, engine(gate.url, flights=1) as reader:
        result(reader, read(b"a"))
        gate.open.clear()
        tickets = []
        for name in ("sent", "waiting", "patient"):
            ticket = reader.submit(read(b"a"), lambda _, name=name: found.append(name))  # type: ignore[misc]
            tickets.append(ticket)
            reader.poll(0)
        for ticket in tickets[:2]:
            ticket.cancel()
            ticket.cancel()
        gate.open.set()
        poll_until(reader, lambda: found)

    assert found == ["patient"]
    assert reader.counters.keys == 1 + 2


@pytest.mark.parametrize(
    ("limits", "admitted"),
    [({"waiting_readings": 3}, [10, 10, 10]), ({"waiting_keys": 25}, [10, 10])],
)
def test_more_than_may_wait_is_refused_at_once_and_what_waits_is_answered(
    valkey_url: str, limits: dict[str, int], admitted: list[int]
) -> None:
    found: list[Values | Exception] = []
    with engine(valkey_url, **limits) as reader:
        for _ in range(5):
            reader.submit(read(*[b"a"] * 10), found.append)
        refused = list(found)
        poll_until(reader, lambda: len(found) == 5)
        found_later = result(reader, read(*[b"a"] * 1000))

    assert [type(each) for each in refused] == [OverloadedError] * (5 - len(admitted))
    assert found[len(refused) :] == [[None] * keys for keys in admitted]
    assert reader.counters.overloaded == len(refused)
    assert len(found_later) == 1000


def test_a_connection_that_was_closed_while_idle_is_made_again_unnoticed(
    valkey_url: str, store: redis.Redis
) -> None:
    store.set("a", "1")
    with engine(valkey_url) as reader:
        first = result(reader, read(b"a"))
        store.client_kill_filter(skipme=True, _type="normal")
        second = result(reader, read(b"a"))

    assert first == second == [b"1"]
    assert reader.counters.connects == 2


def test_reads_on_a_connection_that_breaks_are_sent_again_once() -> None:
    with ExitStack() as stack:
        breaking = stack.enter_context(breaks(after_mgets=1))
        reader = stack.enter_context(engine(breaking))
        first = result(reader, read(b"a"))

        second = result(reader, read(b"a"))

    assert first == second == [b"1"]
    assert (reader.counters.retried, reader.counters.losses) == (1, 1)


def test_reads_whose_connections_break_twice_are_unavailable() -> None:
    with breaks(after_mgets=0) as url, engine(url) as reader:
        with pytest.raises(StoreUnavailableError, match="closed the connection"):
            result(reader, read(b"a"))

        assert reader.counters.retried == 1


def test_a_store_that_hangs_is_given_up_and_asked_by_nobody_until_a_probe_succeeds(
    tmp_path: Path,
) -> None:
    with Processes(tmp_path) as processes:
        store = processes.start()
        store.client.set("a", "1")
        url = f"redis://127.0.0.1:{store.port}"
        with engine(url, seconds=0.1, connect_timeout=timedelta(seconds=0.2)) as reader:
            result(reader, read(b"a"))
            store.stop()
            hung = results(reader, read(b"a"), read(b"b"))
            sent, state = reader.counters.batches, reader.is_available
            refused: list[Values | Exception] = []
            reader.submit(read(b"a"), refused.append)
            store.go_on()
            back = healed(reader, lambda: read(b"a"))

    told = "no reply within 0.1 s; check that it runs, then repeat the call"
    assert [str(each) for each in hung] == [f"the store at {url} is unavailable: {told}"] * 2
    assert isinstance(refused[0], StoreUnavailableError)
    assert (sent, state) == (2, False)
    assert back == [b"1"]
    assert reader.is_available


def test_a_reply_may_take_longer_than_the_store_may_be_silent() -> None:
    """Of many keys it does, over a slow network."""
    pieces = [b"*2\r\n$1\r\n", b"a\r\n", b"$1\r\n", b"b", b"\r\n"]
    with drips(pieces, seconds=0.4) as url, engine(url, seconds=1) as reader:
        assert result(reader, read(b"a", b"b")) == [b"a", b"b"]

    assert reader.counters.timeouts == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        b"!garbage\r\n",
        b"+OK\r\n",
        b"$-1\r\n",
        b"*1\r\n$1\r\n1\r\n",
        b"*2\r\n$1\r\n1\r\n$-1\r\n" * 2,
    ],
)
def test_a_store_that_answers_something_else_is_unavailable(nonsense: bytes) -> None:
    """Whatever comes behind that may be anybody's."""
    with drips([nonsense], seconds=0) as url, engine(url) as reader:
        found = results(reader, read(b"a", b"b"), read(b"c"))

        assert [type(each) for each in found] == [StoreUnavailableError] * 2


def test_a_result_that_cannot_be_taken_harms_no_other_reading(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Values | Exception) -> None:
        raise ValueError

    found: list[Values | Exception] = []
    with engine(valkey_url) as reader:
        reader.submit(read(b"a"), refuse)
        reader.submit(read(b"b"), found.append)
        poll_until(reader, lambda: found)

    assert found == [[None]]
    assert "could not be taken" in caplog.text


def test_a_store_that_is_gone_is_found_again_without_being_asked(tmp_path: Path) -> None:
    """Health looks at the engine, and no call has to fail for it to notice."""
    environment = environment_of(tmp_path)
    with engine(environment.redis_url) as reader:
        with LocalValkey(environment):
            result(reader, read(b"a"))
        with pytest.raises(StoreUnavailableError):
            result(reader, read(b"a"))
        assert reader.unavailable == (reader.store,)
        with LocalValkey(environment):
            poll_until(reader, lambda: reader.is_available)

            assert result(reader, read(b"a")) == [None]


def test_a_cluster_that_is_not_there_is_unavailable_until_it_is(tmp_path: Path) -> None:
    port = free_port()
    with engine(f"redis+cluster://:secret@127.0.0.1:{port}") as reader:
        with pytest.raises(StoreUnavailableError) as unavailable:
            result(reader, read(b"{AA}row"))
        assert not reader.is_available
        refused: list[Values | Exception] = []
        reader.submit(read(b"{AA}row"), refused.append)
        with Processes(tmp_path) as processes:
            node = processes.start("--cluster-enabled", "yes", port=port, password="secret")  # noqa: S106
            say(node, "ADDSLOTSRANGE", 0, 16383)
            poll_until(reader, lambda: reader.is_available)
            found = healed(reader, lambda: read(b"{AA}row"))

    assert found == [None]
    assert isinstance(refused[0], StoreUnavailableError)
    assert f"redis+cluster://127.0.0.1:{port}" in str(unavailable.value)
    assert "secret" not in str(unavailable.value)


def test_connecting_to_a_server_that_accepts_nobody_holds_nobody_up() -> None:
    """A full backlog drops what asks to connect, so that connecting takes as long as it may."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            with suppress(BlockingIOError):
                waiting.connect(address)
        found: list[Values | Exception] = []
        reader = stack.enter_context(
            engine(f"redis://127.0.0.1:{address[1]}", connect_timeout=timedelta(seconds=1))
        )
        started = time.monotonic()
        reader.submit(read(b"a"), found.append)
        reader.poll(0)
        held_up = time.monotonic() - started
        poll_until(reader, lambda: found)

    assert held_up < 2
    assert isinstance(found[0], StoreUnavailableError)


def test_an_error_of_the_store_is_its_answer_and_the_connection_is_kept(
    valkey_url: str, store: redis.Redis
) -> None:
    store.acl_setuser("nobody", enabled=True, nopass=True, commands=["+ping"])
    path = valkey_url.removeprefix("unix://")
    with engine(f"unix://nobody:x@{path}") as reader:
        with pytest.raises(StoreUnavailableError, match="NOPERM"):
            result(reader, read(b"a"))
        with pytest.raises(StoreUnavailableError, match="NOPERM"):
            result(reader, read(b"a"))
    store.acl_deluser("nobody")

    assert reader.counters.connects == 1


def test_user_password_and_database_are_those_of_the_url(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        store = processes.start()
        with redis.Redis(port=store.port, db=3) as third:
            third.set("a", "3")
        store.client.acl_setuser(
            "reader", enabled=True, passwords=["+se:cret"], commands=["+@all"], keys=["*"]
        )
        store.client.config_set("requirepass", "other")
        with engine(f"redis://reader:se%3Acret@127.0.0.1:{store.port}/3") as reader:
            assert result(reader, read(b"a")) == [b"3"]
        with engine(f"redis://reader:wrong@127.0.0.1:{store.port}/3") as reader:
            with pytest.raises(StoreUnavailableError, match="invalid username-password") as refused:
                result(reader, read(b"a"))
            assert "wrong@" not in str(refused.value)


def test_a_url_of_another_kind_is_refused_without_its_password() -> None:
    with pytest.raises(InvalidArgumentError, match="write redis://HOST:PORT") as refused:
        engine("http://:secret@127.0.0.1").__enter__()

    assert "secret" not in str(refused.value)


def test_replicas_of_one_server_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="has no replicas"):
        engine("redis://127.0.0.1:1", from_replicas=True).__enter__()


def test_what_still_runs_when_the_engine_is_closed_is_unavailable(valkey_url: str) -> None:
    found: list[Values | Exception] = []
    with Gate(valkey_url, b"MGET") as gate, engine(gate.url, flights=1) as reader:
        result(reader, read(b"a"))
        gate.open.clear()
        for _ in range(2):
            reader.submit(read(b"a"), found.append)
            reader.poll(0)
        reader.close()

    assert [type(each) for each in found] == [StoreUnavailableError] * 2


@contextmanager
def drips(pieces: list[bytes], *, seconds: float) -> Iterator[str]:
    """A store that sends the reply to a read piece by piece."""

    def answer(client: socket.socket, received: bytes) -> None:
        for piece in pieces if b"MGET" in received else ():
            time.sleep(seconds)
            client.sendall(piece)

    with scripted(answer) as url:
        yield url


@contextmanager
def breaks(*, after_mgets: int) -> Iterator[str]:
    """A store whose connections break at the MGET after so many; each is answered `1`."""
    answered = dict[int, int]()

    def answer(client: socket.socket, received: bytes) -> None:
        number = client.fileno()
        for _ in range(received.count(b"MGET")):
            if answered.setdefault(number, 0) == after_mgets:
                del answered[number]
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(b"*1\r\n$1\r\n1\r\n")
            answered[number] += 1

    with scripted(answer) as url:
        yield url


@contextmanager
def scripted(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """A store that lets everybody connect, and then answers so."""

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            while received := client.recv(65536):
                client.sendall(b"+OK\r\n" * received.count(b"\r\nSETINFO\r\n"))
                client.sendall(b"+PONG\r\n" * received.count(b"\r\nPING\r\n"))
                answer(client, received)

    def accept() -> None:
        with suppress(OSError):
            while True:
                serving = threading.Thread(target=serve, args=(listener.accept()[0],))
                threads.append(serving)
                serving.start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
