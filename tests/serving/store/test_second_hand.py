from headrace.contract.order import Order, encode_order
from headrace.serving.store.second_hand import in_doubt

FLOOR = encode_order(Order(100, 1))


def row(event_timestamp: int) -> bytes:
    return encode_order(Order(event_timestamp, 1)) + b"row"


def test_what_is_missing_below_its_own_floor_or_unreadable_is_in_doubt() -> None:
    """Of two groups, whose guards stand before their rows."""
    rows = {1: row(100), 2: row(99), 3: None, 5: row(100), 6: row(200), 7: b"no row"}

    assert in_doubt([0, 4], [FLOOR, encode_order(Order(150, 1))], rows) == [2, 3, 5, 7]


def test_without_a_floor_everything_is_in_doubt() -> None:
    rows = {1: row(100), 2: None, 4: row(100)}

    assert in_doubt([0, 3], [None, b"no floor"], rows) == [1, 2, 4]


def test_rows_may_come_in_any_order_and_before_every_guard() -> None:
    rows = {0: b"manifest", 4: row(99), 6: row(99), 1: None, 2: b"document", 5: row(100)}

    assert in_doubt([3], [FLOOR], rows) == [4, 6, 1]


def test_what_no_guard_judges_is_in_doubt_only_when_it_is_missing() -> None:
    assert in_doubt([], [], {0: b"manifest", 1: None}) == [1]
