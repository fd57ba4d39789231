import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.order import (
    FIRST,
    MAX_GENERATION,
    ORDER_LENGTH,
    Order,
    decode_order,
    encode_order,
)

ORDERS = st.builds(Order, st.integers(-(2**63), 2**63 - 1), st.integers(0, MAX_GENERATION))


@given(ORDERS)
def test_an_order_comes_back_as_it_was(order: Order) -> None:
    assert decode_order(encode_order(order)) == order


@given(ORDERS)
def test_nothing_lies_below_the_first_order(order: Order) -> None:
    assert order >= FIRST


def test_the_event_timestamp_decides_and_then_the_generation() -> None:
    assert Order(1, 9) < Order(2, 1) < Order(2, 2)


@pytest.mark.parametrize("raw", [b"", b"\x09" * (ORDER_LENGTH - 1), b"\x00" * ORDER_LENGTH])
def test_bytes_that_do_not_begin_with_an_order_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="a row begins with"):
        decode_order(raw)
