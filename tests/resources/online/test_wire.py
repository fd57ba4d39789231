"""What is sent is what redis-py would send."""

from hypothesis import given
from hypothesis import strategies as st
from redis.connection import Connection

from headrace.resources.online.byte_column import ByteColumn
from headrace.resources.online.wire import (
    Word,
    as_arguments,
    as_pairs,
    command,
    function_call,
    multi_set,
)

WORDS: st.SearchStrategy[Word] = st.binary(max_size=5) | st.text(max_size=5) | st.integers()
PAIRS = st.dictionaries(st.binary(max_size=12), st.binary(max_size=120), min_size=1, max_size=8)


def packed(*words: Word) -> bytes:
    return b"".join(Connection().pack_command(*words))  # type: ignore[no-untyped-call]  # redis-py's


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_a_command_is_packed_as_redis_py_packs_it(words: list[Word]) -> None:
    # redis-py takes a first word that is text apart at its spaces.
    assert command(b"X", *words) == packed(b"X", *words)


@given(PAIRS, st.integers(1, 4))
def test_many_keys_are_set_by_commands_of_a_few(pairs: dict[bytes, bytes], few: int) -> None:
    keys, values = ByteColumn.of(list(pairs)), ByteColumn.of(list(pairs.values()))
    words = [word for pair in pairs.items() for word in pair]

    sent = b"".join(multi_set(as_pairs(keys, values), few))

    assert sent == b"".join(
        packed(b"MSET", *words[at : at + 2 * few]) for at in range(0, len(words), 2 * few)
    )


@given(PAIRS, st.lists(st.binary(max_size=3), max_size=3), st.lists(WORDS, max_size=3))
def test_a_function_gets_few_and_many_keys_and_arguments(
    pairs: dict[bytes, bytes], keys: list[bytes], arguments: list[Word]
) -> None:
    columns = (
        as_arguments(ByteColumn.of(list(pairs))),
        as_arguments(ByteColumn.of(list(pairs.values()))),
    )

    sent = function_call("put", keys, arguments, columns)

    number = len(keys) + len(pairs)
    assert sent == packed(b"FCALL", "put", number, *keys, *pairs, *arguments, *pairs.values())
