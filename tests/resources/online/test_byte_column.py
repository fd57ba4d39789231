import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from headrace.resources.online.byte_column import ByteColumn, joined

STRINGS = st.lists(st.binary(max_size=5), max_size=8) | st.lists(
    st.binary(min_size=3, max_size=3), max_size=8
)


@given(STRINGS)
def test_a_column_is_a_sequence_of_its_strings(strings: list[bytes]) -> None:
    column = ByteColumn.of(strings)

    assert (list(column), [column[place] for place in range(len(column))]) == (strings, strings)
    assert bytes(column.buffer) == b"".join(strings)
    assert ByteColumn.of(column) is column


@given(STRINGS, st.integers(-9, 9), st.integers(-9, 9), st.data())
def test_slices_and_choices_are_those_of_a_list(
    strings: list[bytes], start: int, stop: int, data: st.DataObject
) -> None:
    column, part = ByteColumn.of(strings)[start:stop], strings[start:stop]
    places = data.draw(st.lists(st.integers(0, len(part) - 1), max_size=5)) if part else []

    taken = column.take(np.array(places, np.int64))

    assert (list(column), bytes(column.buffer)) == (part, b"".join(part))
    assert list(taken) == [part[place] for place in places]
    assert list(ByteColumn.of_arrow(column.to_arrow())) == part


@given(st.lists(st.tuples(st.binary(max_size=3), st.binary(min_size=2, max_size=2)), max_size=6))
def test_parts_are_joined_place_by_place(pairs: list[tuple[bytes, bytes]]) -> None:
    varying, fixed = (ByteColumn.of([pair[at] for pair in pairs]) for at in (0, 1))
    matrix = np.frombuffer(fixed.buffer, np.uint8).reshape(len(pairs), 2)

    mixed = joined(len(pairs), [b"<", varying, b"|", fixed, b">"])
    level = joined(len(pairs), [b"<", matrix, b"|", fixed, b">"])

    assert list(mixed) == [b"<%b|%b>" % pair for pair in pairs]
    assert list(level) == [b"<%b|%b>" % (b, b) for _, b in pairs]


def test_a_slice_of_an_arrow_array_keeps_its_place() -> None:
    array = pa.array(["a", "bc", "", "def"])[1:]

    assert list(ByteColumn.of_arrow(array)) == [b"bc", b"", b"def"]
