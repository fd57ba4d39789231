"""The protocol of the store: commands as the bytes that are sent, many keys and rows at once."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from .byte_column import ByteColumn, Integers, Part, chosen, joined

Word: TypeAlias = bytes | str | int


def command(*words: Word) -> bytes:
    """One command of a few words."""
    return b"".join([_head(len(words)), *_arguments(*words)])


def function_call(
    name: str,
    keys: Sequence[bytes],
    arguments: Sequence[Word],
    columns: tuple[ByteColumn, ByteColumn],
) -> bytes:
    """A call of a Function with a few keys and arguments, each followed by many.

    Args:
        name: The Function.
        keys: The first keys.
        arguments: The first arguments.
        columns: More keys and more arguments, made by `as_arguments`.
    """
    more_keys, more = columns
    number = len(keys) + len(more_keys)
    return b"".join(
        [
            _head(3 + number + len(arguments) + len(more)),
            *_arguments("FCALL", name, number, *keys),
            more_keys.buffer,
            *_arguments(*arguments),
            more.buffer,
        ]
    )


def function_call_with_pairs(
    name: str, keys: Sequence[bytes], arguments: Sequence[Word], pairs: ByteColumn
) -> bytes:
    """A call of a Function with a few keys and arguments, followed by pairs (`as_pairs`)."""
    return b"".join(
        [
            _head(3 + len(keys) + len(arguments) + 2 * len(pairs)),
            *_arguments("FCALL", name, len(keys), *keys, *arguments),
            pairs.buffer,
        ]
    )


def gets(keys: ByteColumn) -> bytes:
    """A command for each key that reads it."""
    framed = as_arguments(keys)
    return joined(len(keys), [b"*2\r\n$3\r\nGET\r\n", framed]).buffer.tobytes()


def multi_set(pairs: ByteColumn, keys_at_once: int) -> Iterator[bytes | memoryview]:
    """Commands that set many keys, `keys_at_once` in each.

    Args:
        pairs: A key and its value each, made by `as_pairs`.
        keys_at_once: How many keys a command sets.
    """
    for at in range(0, len(pairs), keys_at_once):
        part = pairs[at : at + keys_at_once]
        yield _head(1 + 2 * len(part)) + b"$4\r\nMSET\r\n"
        yield part.buffer


def as_arguments(strings: ByteColumn) -> ByteColumn:
    """Each string as an argument of a command."""
    return joined(len(strings), _framed(strings))


def as_pairs(keys: ByteColumn, values: ByteColumn) -> ByteColumn:
    """Each key and its value as two arguments of a command, one behind the other."""
    return joined(len(keys), [*_framed(keys), *_framed(values)])


def _framed(strings: ByteColumn) -> Sequence[Part]:
    if (width := strings.width) is not None:
        return (_length(width), strings, b"\r\n")
    return (_lengths(strings.lengths), strings, b"\r\n")


def _lengths(numbers: Integers) -> ByteColumn:
    distinct, places = np.unique(numbers, return_inverse=True)
    return chosen([_length(int(number)) for number in distinct], places)


def _length(number: int) -> bytes:
    return b"$%d\r\n" % number


def _head(words: int) -> bytes:
    return b"*%d\r\n" % words


def _arguments(*words: Word) -> Iterator[bytes]:
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        yield b"$%d\r\n%b\r\n" % (len(raw), raw)
