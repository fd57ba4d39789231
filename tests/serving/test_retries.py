import grpc
import pytest

from headrace.serving.retries import Attempts, RetryBudget


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def spent(budget: RetryBudget) -> int:
    """How many calls may be made again at once."""
    count = 0
    while budget.withdraw():
        count += 1
    return count


def test_a_budget_begins_with_ten_and_never_holds_more() -> None:
    hand = Hand()
    budget = RetryBudget(0.1, hand)
    for _ in range(1000):
        budget.deposit()
    hand.now += 3600

    assert spent(budget) == 10


def test_a_tenth_of_the_calls_and_one_a_second_may_be_made_again() -> None:
    hand = Hand()
    budget = RetryBudget(0.125, hand)
    spent(budget)
    for _ in range(24):
        budget.deposit()
    hand.now += 2.0

    assert spent(budget) == 3 + 2


def test_without_a_share_nothing_is_made_again() -> None:
    hand = Hand()
    budget = RetryBudget(0.0, hand)
    budget.deposit()
    hand.now += 3600

    assert spent(budget) == 0


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_only_what_may_succeed_soon_is_made_again(code: grpc.StatusCode) -> None:
    pause = Attempts(RetryBudget(0.1), timeout=60).pause_after(code)

    assert (pause is not None) == (code.name in {"UNAVAILABLE", "CANCELLED"})


def test_pauses_grow_and_end_after_five_tries() -> None:
    attempts = Attempts(RetryBudget(0.1), timeout=60)

    pauses = [attempts.pause_after(grpc.StatusCode.UNAVAILABLE) for _ in range(5)]

    *made, last = pauses
    assert last is None
    for number, pause in enumerate(made):
        assert pause is not None
        assert 0.01 * 2**number <= pause <= 0.02 * 2**number


def test_no_pause_outlasts_the_deadline() -> None:
    attempts = Attempts(RetryBudget(0.1), timeout=0.005)

    assert attempts.pause_after(grpc.StatusCode.UNAVAILABLE) is None
    assert 0 <= attempts.remaining <= 0.005


def test_an_empty_budget_ends_the_tries() -> None:
    budget = RetryBudget(0.1, Hand())
    spent(budget)

    assert Attempts(budget, timeout=60).pause_after(grpc.StatusCode.UNAVAILABLE) is None
