from dataclasses import replace

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.contract.errors import FencedError, HistoryLostError, StateLostError
from headrace.contract.keys import group_prefix, online_key
from headrace.contract.order import Order, encode_order
from headrace.contract.store_keys import watermark_key
from headrace.resources.online.group_state import GroupState
from headrace.resources.online.online_group import OnlineGroup
from headrace.resources.online.online_store import OnlineStore

pytestmark = pytest.mark.server

KEY, OTHER = (online_key(group_prefix(1), bytes([number])) for number in (1, 2))
ORDERS = st.builds(
    Order,
    st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    st.integers(0, 2**32 - 1) | st.just(1),
)


def row(event_timestamp: int, generation: int = 1, rest: bytes = b"") -> bytes:
    return encode_order(Order(event_timestamp, generation)) + rest


@pytest.fixture
def group(valkey_url: str) -> OnlineGroup:
    return OnlineGroup(OnlineStore(valkey_url, "test"), 1, "group@1")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=ORDERS, offered=ORDERS)
def test_the_greater_order_stays(group: OnlineGroup, stored: Order, offered: Order) -> None:
    claim = group.begin("P", 1)
    group.retract(claim, group.state().revision, [(KEY, group.rows([KEY])[0] or b"", None)])
    group.put(claim, [KEY], [encode_order(stored)])

    written = group.put(claim, [KEY], [encode_order(offered)])

    assert (written, group.rows([KEY])) == (
        offered >= stored,
        [encode_order(max(stored, offered))],
    )


def test_a_row_below_the_floor_is_not_written(group: OnlineGroup) -> None:
    claim = group.begin("P", 2)
    group.finish(claim, watermark=Order(10, 2), floor=Order(10, 2))

    written = group.put(claim, [KEY, OTHER], [row(10, 1), row(10, 2)])

    assert (written, group.rows([KEY, OTHER])) == (1, [None, row(10, 2)])


def test_an_older_generation_is_refused_once_a_newer_one_has_begun(group: OnlineGroup) -> None:
    older = group.begin("P", 1)
    group.begin("P", 2)

    with pytest.raises(FencedError, match="generation 1 was refused"):
        group.put(older, [KEY], [row(1)])
    with pytest.raises(FencedError):
        group.retract(older, group.state().revision, [(KEY, b"", row(1))])
    with pytest.raises(FencedError):
        group.finish(older, watermark=Order(1, 1), floor=Order(1, 1))
    with pytest.raises(FencedError):
        group.begin("P", 1)
    assert group.rows([KEY]) == [None]
    assert replace(group.state(), epoch=None, first_intents={}) == GroupState(
        None, None, {"P": 2}, {}, 2
    )


def test_a_partition_is_not_fenced_by_another(group: OnlineGroup) -> None:
    claim = group.begin("P", 1)
    group.begin("Q", 2)

    assert group.put(claim, [KEY], [row(1)]) == 1


def test_a_claim_says_how_far_the_partition_was_published(group: OnlineGroup) -> None:
    first = group.begin("P", 1)
    group.finish(first, watermark=Order(1, 1), floor=None)
    second = group.begin("P", 3)

    third = group.begin("P", 4)

    assert [(claim.intent, claim.marker) for claim in (first, second, third)] == [
        (0, 0),
        (1, 1),
        (3, 1),
    ]
    assert [list(claim.left_behind) for claim in (first, second, third)] == [[], [1], [1, 3]]


def test_what_was_computed_before_the_first_publish_left_nothing_behind(group: OnlineGroup) -> None:
    broken_off = group.begin("P", 4)
    again = group.begin("P", 4)
    after = group.begin("P", 6)

    assert [list(claim.left_behind) for claim in (broken_off, again, after)] == [[], [], [4, 5]]


def test_floor_watermark_and_marker_are_only_raised(group: OnlineGroup) -> None:
    late, early = group.begin("Q", 1), group.begin("P", 1)
    group.put(late, [KEY], [row(20)])
    group.finish(late, watermark=Order(20, 1), floor=Order(20, 1))

    group.finish(early, watermark=Order(10, 1), floor=Order(10, 1))

    assert replace(group.state(), epoch=None, first_intents={}) == GroupState(
        Order(20, 1), Order(20, 1), {"P": 1, "Q": 1}, {"P": 1, "Q": 1}, 2
    )


def test_rows_raise_the_watermark(group: OnlineGroup) -> None:
    claim = group.begin("P", 1)

    group.put(claim, [KEY, OTHER], [row(7, rest=b"values"), row(5)])

    assert group.state().watermark == Order(7, 1)


@pytest.mark.parametrize("write", ["put", "retract"])
def test_every_write_touches_the_watermark_so_that_a_bulk_writer_starts_again(
    group: OnlineGroup, valkey_url: str, write: str
) -> None:
    claim = group.begin("P", 1)
    group.put(claim, [KEY], [row(9)])

    with redis.Redis.from_url(valkey_url) as client, client.pipeline() as bulk:
        bulk.watch(watermark_key("test", 1))
        if write == "put":
            group.put(claim, [OTHER], [row(1)])
        else:
            group.retract(claim, group.state().revision, [(KEY, row(9), None)])
        bulk.multi()
        bulk.set(KEY, row(10))
        with pytest.raises(redis.WatchError):
            bulk.execute()


def test_an_obsolete_row_is_replaced_or_removed(group: OnlineGroup) -> None:
    claim = group.begin("P", 2)
    group.put(claim, [KEY, OTHER], [row(9), row(9)])

    changed = group.retract(
        claim, group.state().revision, [(KEY, row(9), row(3)), (OTHER, row(9), None)]
    )

    assert (changed, group.rows([KEY, OTHER])) == (2, [row(3), None])


def test_a_row_that_changed_meanwhile_is_not_replaced(group: OnlineGroup) -> None:
    claim = group.begin("P", 2)
    group.put(claim, [KEY], [row(12)])

    changed = group.retract(claim, group.state().revision, [(KEY, row(9), row(3))])

    assert (changed, group.rows([KEY])) == (0, [row(12)])


def test_nothing_is_replaced_after_another_publish_has_begun(group: OnlineGroup) -> None:
    claim = group.begin("P", 2)
    group.put(claim, [KEY], [row(9)])
    revision = group.state().revision
    group.begin("O", 1)

    changed = group.retract(claim, revision, [(KEY, row(9), None)])

    assert (changed, group.rows([KEY])) == (0, [row(9)])


def test_a_claim_does_not_outlive_a_flush(group: OnlineGroup, valkey_url: str) -> None:
    claim = group.begin("P", 1)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    group.begin("P", 1)

    with pytest.raises(StateLostError, match="'group@1'"):
        group.finish(claim, watermark=Order(1, 1), floor=None)


@pytest.mark.parametrize("group_id", [1, 0x2A5B, 0x5C5D, 0x3F0A])
def test_the_stored_keys_are_those_of_the_group_alone(valkey_url: str, group_id: int) -> None:
    store = OnlineStore(valkey_url, "test")
    keys = {
        number: [online_key(group_prefix(number), bytes([entity])) for entity in range(200)]
        for number in (group_id, 0x2A2A, 0x3F3F)
    }
    with redis.Redis.from_url(valkey_url) as client:
        client.mset({key: row(1) for group in keys.values() for key in group})

    found = OnlineGroup(store, group_id, "group@1").stored_keys()

    assert sorted(found) == sorted(keys[group_id])


def test_only_the_state_that_was_found_complete_is_said_to_be(
    group: OnlineGroup, valkey_url: str
) -> None:
    group.begin("P", 1)
    state = group.state()
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    group.begin("P", 1)

    with pytest.raises(StateLostError):
        group.complete(state)
    with pytest.raises(StateLostError):
        group.complete(replace(group.state(), epoch=None))

    assert group.state().floor is None


def test_what_was_found_before_a_failover_is_not_said_to_be_complete(group: OnlineGroup) -> None:
    group.begin("P", 1)

    with pytest.raises(StateLostError):
        group.complete(replace(group.state(), history="0" * 40))

    assert group.state().floor is None


def test_a_publish_that_spans_a_failover_gets_no_marker(group: OnlineGroup) -> None:
    claim = replace(group.begin("P", 1), history=b"0" * 40)
    group.put(claim, [KEY], [row(1)])

    with pytest.raises(HistoryLostError, match="publish the partition again"):
        group.finish(claim, watermark=Order(1, 1), floor=Order(1, 1))

    assert (group.state().markers, group.state().floor) == ({}, None)


def test_a_state_that_never_began_is_not_complete(group: OnlineGroup) -> None:
    with pytest.raises(StateLostError):
        group.complete(group.state())


def test_a_complete_state_keeps_a_greater_floor(group: OnlineGroup) -> None:
    claim = group.begin("P", 1)
    group.finish(claim, watermark=Order(5, 1), floor=Order(5, 1))

    group.complete(group.state())

    assert group.state().floor == Order(5, 1)
