from typing import Any

from hiredis import Reader, ReplyError
from hypothesis import given
from hypothesis import strategies as st

from headrace.serving.store.commands import Gets, Mgets
from headrace.serving.store.part import Part

KEYS = st.lists(st.binary(max_size=20) | st.binary(min_size=510, max_size=515), min_size=1)


class Wanted(Part):
    """Keys that nobody waits for."""

    def receive(self, values: list[Any]) -> None:
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        raise NotImplementedError

    def expire(self) -> None:
        raise NotImplementedError


class Asking(Wanted):
    is_asking = True


def commands(packed: bytes) -> list[Any]:
    """A command is an array, as a reply is."""
    reader, found = Reader(), []
    reader.feed(packed)
    while (command := reader.gets()) is not False:
        found.append(command)
    assert not reader.has_data()
    return found


@given(KEYS, st.integers(1, 40), st.integers(1, 40))
def test_mgets_ask_for_all_keys_in_order_and_for_so_many_at_once(
    keys: list[bytes], at_once: int, parts: int
) -> None:
    packed, replies = Mgets(at_once).packed(keys, [Wanted(keys, 0)] * parts)

    asked = commands(packed)
    assert [command[0] for command in asked] == [b"MGET"] * replies
    assert [key for command in asked for key in command[1:]] == keys
    assert max(len(command) - 1 for command in asked) <= at_once


@given(KEYS)
def test_gets_ask_for_each_key_in_order(keys: list[bytes]) -> None:
    packed, replies = Gets().packed(keys, [Wanted(keys, 0)])

    assert commands(packed) == [[b"GET", key] for key in keys]
    assert replies == len(keys)


def test_a_node_to_which_slots_are_moved_is_asked_with_each_key_of_those_parts_alone() -> None:
    parts = [Wanted([b"a"], 0), Asking([b"b", b"c"], 0), Wanted([b"d"], 0)]

    packed, replies = Gets().packed([b"a", b"b", b"c", b"d"], parts)
    values = Gets().values([b"1", b"OK", b"2", b"OK", None, b"4"], parts)

    assert commands(packed) == [
        [b"GET", b"a"],
        [b"ASKING"],
        [b"GET", b"b"],
        [b"ASKING"],
        [b"GET", b"c"],
        [b"GET", b"d"],
    ]
    assert replies == 6
    assert values == [b"1", b"2", None, b"4"]


def test_one_error_among_several_mgets_is_the_error_of_all() -> None:
    error = ReplyError("LOADING")

    values = Mgets(2).values([[b"1", None], error], [Wanted([b"a", b"b", b"c"], 0)])

    assert values is error
    assert Mgets(2).values([[b"1", None], [b"3"]], []) == [b"1", None, b"3"]
