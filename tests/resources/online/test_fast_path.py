"""Rows that lie ahead are written without being compared, and nothing newer is lost by it."""

from collections.abc import Callable, Iterator, Mapping

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.contract import store_keys
from headrace.contract.errors import FencedError, OutOfMemoryError, StateLostError
from headrace.contract.keys import group_prefix, online_key
from headrace.contract.order import Order, decode_order, encode_order
from headrace.resources.online.bulk_write import Writes, write_rows
from headrace.resources.online.byte_column import ByteColumn
from headrace.resources.online.fast_path import Advance, FastPath, Look, batches_of
from headrace.resources.online.group_state import Claim
from headrace.resources.online.online_group import OnlineGroup
from headrace.resources.online.online_store import OnlineStore

pytestmark = pytest.mark.server

ROWS = 2500
KEYS = [online_key(group_prefix(1), number.to_bytes(4, "big")) for number in range(ROWS)]
STORED, LATER = Order(100, 1), Order(200, 1)


def row(order: Order, rest: bytes = b"values") -> bytes:
    return encode_order(order) + rest


@pytest.fixture
def store(valkey_url: str) -> Iterator[OnlineStore]:
    with OnlineStore(valkey_url, "test") as store:
        yield store


@pytest.fixture
def group(store: OnlineStore) -> OnlineGroup:
    return OnlineGroup(store, 1, "group@1")


def ascending(first: int, count: int = ROWS, generation: int = 1) -> list[bytes]:
    return [row(Order(first + number, generation)) for number in range(count)]


def put_fast(
    store: OnlineStore,
    rows: list[bytes],
    meanwhile: Callable[[Look], object],
) -> Advance:
    """Write rows of partition P; `meanwhile` runs between each look and its transaction."""
    with store.connection() as connection:
        path = FastPath(
            connection,
            watermark=store_keys.watermark_key("test", 1),
            intents=store_keys.intents_key("test", 1),
            epoch=store_keys.epoch_key("test", 1),
        )
        columns = ByteColumn.of(KEYS[: len(rows)]), ByteColumn.of(rows)
        return path.write("P", batches_of(*columns), meanwhile)


def test_rows_ahead_of_everything_are_written_without_comparing(group: OnlineGroup) -> None:
    claim = group.begin("P", 1)

    first = write_rows(group, claim, KEYS, ascending(0))
    second = write_rows(group, claim, KEYS, ascending(ROWS))

    assert [first, second] == [Writes(ROWS, 3, 0, 0)] * 2
    assert group.rows(KEYS) == ascending(ROWS)
    assert group.state().watermark == Order(2 * ROWS - 1, 1)


def test_rows_that_all_have_one_order_are_ahead_of_those_written_before(group: OnlineGroup) -> None:
    """The watermark of the second batch is the first one's: equal is ahead."""
    writes = write_rows(group, group.begin("P", 1), KEYS, [row(STORED)] * ROWS)

    assert writes == Writes(ROWS, 3, 0, 0)


def test_rows_behind_are_compared_and_those_ahead_of_them_are_not(group: OnlineGroup) -> None:
    claim = group.begin("P", 1)
    group.put(claim, KEYS[:1], [row(Order(1500, 1), b"newer")])

    writes = write_rows(group, claim, KEYS, ascending(0))

    assert writes == Writes(ROWS - 1, 1, 0, 2)
    assert group.rows(KEYS) == [row(Order(1500, 1), b"newer"), *ascending(0)[1:]]


def test_a_correction_of_the_newest_rows_is_compared(group: OnlineGroup) -> None:
    write_rows(group, group.begin("P", 1), KEYS, ascending(0))

    writes = write_rows(group, group.begin("P", 2), KEYS, ascending(0, generation=2))

    assert (writes.rows, writes.batches_fast) == (ROWS, 0)
    assert group.rows(KEYS) == ascending(0, generation=2)


def _newer(group: OnlineGroup, claim: Claim) -> None:
    group.put(claim, KEYS[:1], [row(LATER)])


def _older(group: OnlineGroup, claim: Claim) -> None:
    group.put(claim, KEYS[1:2], [row(Order(50, 1))])


def _bulk(group: OnlineGroup, claim: Claim) -> None:
    write_rows(group, claim, KEYS[:1], [row(LATER)])


def _retracted(group: OnlineGroup, claim: Claim) -> None:
    group.retract(claim, group.state().revision, [(KEYS[0], row(STORED), None)])


def _finished(group: OnlineGroup, claim: Claim) -> None:
    group.finish(claim, watermark=LATER, floor=LATER)


def _begun(group: OnlineGroup, _: Claim) -> None:
    group.begin("R", 1)


@pytest.mark.parametrize("meanwhile", [_newer, _older, _bulk, _retracted, _finished, _begun])
def test_whatever_is_written_between_look_and_transaction_stops_the_batch(
    group: OnlineGroup, store: OnlineStore, meanwhile: Callable[[OnlineGroup, Claim], None]
) -> None:
    group.begin("P", 1)
    other = group.begin("Q", 1)
    group.put(other, KEYS[:1], [row(STORED)])

    advance = put_fast(store, [row(Order(150, 1))] * ROWS, lambda _: meanwhile(group, other))

    assert (advance.batches, advance.is_aborted) == (0, True)
    assert row(Order(150, 1)) not in group.rows(KEYS)


def test_an_aborted_batch_is_compared_instead(group: OnlineGroup, store: OnlineStore) -> None:
    claim, other = group.begin("P", 1), group.begin("Q", 1)

    class Disturbed(OnlineGroup):
        """Another publish writes a newer row of the first entity before the first transaction."""

        def _refused(self, claim: Claim, status: int) -> None:
            super()._refused(claim, status)
            if group.rows(KEYS[:1]) == [None]:
                group.put(other, KEYS[:1], [row(Order(ROWS - 600, 1), b"newer")])

    writes = write_rows(Disturbed(store, 1, "group@1"), claim, KEYS, ascending(0))

    assert writes == Writes(rows=ROWS - 1, batches_fast=1, batches_aborted=1, batches_guarded=2)
    assert group.rows(KEYS) == [row(Order(ROWS - 600, 1), b"newer"), *ascending(0)[1:]]


def test_a_fenced_publish_writes_nothing_more(group: OnlineGroup, store: OnlineStore) -> None:
    claim = group.begin("P", 1)

    advance = put_fast(store, ascending(0), lambda _: group.begin("P", 2))

    assert advance.is_aborted
    with pytest.raises(FencedError):
        write_rows(group, claim, KEYS, ascending(0))
    assert set(group.rows(KEYS)) == {None}


@pytest.mark.parametrize("begun_again", [False, True])
def test_a_publish_that_a_flush_overtook_writes_nothing_more(
    group: OnlineGroup, valkey_url: str, *, begun_again: bool
) -> None:
    claim = group.begin("P", 1)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    if begun_again:
        group.begin("P", 1)

    with pytest.raises(StateLostError):
        write_rows(group, claim, KEYS, ascending(0))
    assert set(group.rows(KEYS)) == {None}


def test_a_flush_between_look_and_transaction_stops_the_batch(
    group: OnlineGroup, store: OnlineStore, valkey_url: str
) -> None:
    group.begin("P", 1)
    with redis.Redis.from_url(valkey_url) as client:
        advance = put_fast(store, ascending(0), lambda _: client.flushall())

    assert (advance.batches, advance.is_aborted) == (0, True)


def test_a_full_store_refuses_and_the_connection_is_of_use_afterwards(
    group: OnlineGroup, valkey_url: str
) -> None:
    claim = group.begin("P", 1)
    with redis.Redis.from_url(valkey_url) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(OutOfMemoryError):
                write_rows(group, claim, KEYS, ascending(0))
        finally:
            client.config_set("maxmemory", 0)

    assert write_rows(group, claim, KEYS, ascending(0)).rows == ROWS


_orders = st.builds(Order, st.integers(0, 3), st.integers(1, 2))
_writes = st.dictionaries(st.integers(0, ROWS - 1), _orders, min_size=1, max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), _writes), max_size=4), st.lists(_orders, max_size=3))
def test_the_greater_order_stays_whatever_is_written_meanwhile(
    group: OnlineGroup,
    store: OnlineStore,
    others: list[tuple[bool, dict[int, Order]]],
    bulk: list[Order],
) -> None:
    """One publish writes three batches; others write between its looks and its transactions."""
    with store.errors() as client:
        client.flushall()
    claim, expected = group.begin("P", 1), dict[int, Order]()
    waiting, rows = iter(others), [row(order) for order in bulk for _ in range(ROWS // 3)]

    def write(is_bulk: bool, orders: Mapping[int, Order]) -> None:  # noqa: FBT001 - drawn
        keys, written = [KEYS[number] for number in orders], [row(o) for o in orders.values()]
        if is_bulk:
            write_rows(group, claim, keys, written)
        else:
            group.put(claim, keys, written)
        for number, order in orders.items():
            expected[number] = max(order, expected.get(number, order))

    for at in range(0, len(rows), 2 * ROWS // 3):
        part = slice(at, at + 2 * ROWS // 3)

        def meanwhile(_: Look) -> None:
            for each in waiting:
                write(*each)
                return

        keys = ByteColumn.of(KEYS)[part][: len(rows[part])]
        with store.connection() as connection:
            path = FastPath(
                connection,
                watermark=store_keys.watermark_key("test", 1),
                intents=store_keys.intents_key("test", 1),
                epoch=store_keys.epoch_key("test", 1),
            )
            batches = batches_of(keys, ByteColumn.of(rows[part]))
            advance = path.write("P", batches, meanwhile)
        if advance.batches < len(batches):
            left = batches[advance.batches].start
            group.put(claim, keys[left:], rows[part][left:])
        for number, raw in enumerate(rows[part], at):
            order = decode_order(raw)
            expected[number] = max(order, expected.get(number, order))

    stored = group.rows(KEYS)
    assert {
        number: decode_order(raw) for number, raw in enumerate(stored) if raw is not None
    } == expected
    watermark = group.state().watermark
    assert not expected or (watermark is not None and watermark >= max(expected.values()))
