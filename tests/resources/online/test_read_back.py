import pytest
import redis

from headrace.resources.online.byte_column import ByteColumn
from headrace.resources.online.online_group import OnlineGroup
from headrace.resources.online.online_store import OnlineStore

pytestmark = pytest.mark.server

NUMBER = 2500
KEYS = [b"{AB}\x00\x01%06d" % number for number in range(NUMBER)]
ROWS = [b"row %d " % number * (number % 7) for number in range(NUMBER)]


@pytest.fixture
def group(valkey_url: str) -> OnlineGroup:
    with redis.Redis.from_url(valkey_url) as client:
        client.mset(dict(zip(KEYS, ROWS, strict=True)))
    return OnlineGroup(OnlineStore(valkey_url, "test"), 1, "household_spend@1")


def unequal(group: OnlineGroup) -> dict[int, bytes | None]:
    return group.unequal(ByteColumn.of(KEYS), ByteColumn.of(ROWS))


def test_equal_rows_are_equal(group: OnlineGroup) -> None:
    assert unequal(group) == {}


def test_nothing_is_equal_to_nothing(group: OnlineGroup) -> None:
    assert group.unequal(ByteColumn.of([]), ByteColumn.of([])) == {}


@pytest.mark.parametrize("place", [0, 999, 1000, 2000, NUMBER - 1])
@pytest.mark.parametrize("stored", [None, b"", b"shorter", b"what is stored is longer" * 1000])
def test_the_place_of_a_row_that_is_not_the_expected_one_is_found(
    group: OnlineGroup, valkey_url: str, place: int, stored: bytes | None
) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(KEYS[place])
        if stored is not None:
            client.set(KEYS[place], stored)

    expected = {} if stored == ROWS[place] else {place: stored}
    assert unequal(group) == expected
    assert unequal(group) == expected  # the connection was not left in the middle of a reply


def test_what_lies_between_two_rows_cannot_be_mistaken(group: OnlineGroup, valkey_url: str) -> None:
    """The same bytes, cut elsewhere."""
    both = ROWS[5] + ROWS[6]
    with redis.Redis.from_url(valkey_url) as client:
        client.mset({KEYS[5]: both[:3], KEYS[6]: both[3:]})

    assert unequal(group) == {5: both[:3], 6: both[3:]}
