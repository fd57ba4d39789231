from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.errors import LimitReachedError
from headrace.serving.admission import Admission, Buckets, caller_name
from headrace.serving.settings import RateLimits


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        """Begin at some time."""
        self.now = 1000.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 300)), min_size=1, max_size=50),
)
def test_never_more_is_let_in_than_flows_in_but_for_one_request_that_is_larger_than_all(
    rate: int, steps: list[tuple[int, int]]
) -> None:
    """Over any time, what was let in before the last request is within the bucket and the flow."""
    clock = Seconds()
    buckets = Buckets(clock)
    let_in = elapsed = 0
    for tenths, amount in steps:
        clock.now += tenths / 10
        elapsed += tenths
        if buckets.take("one", amount, rate=rate, size=rate):
            before_it = let_in
            let_in += amount
            assert before_it <= rate * (1 + elapsed / 10) - min(amount, rate) + 1e-6


@given(st.floats(0.01, 1e6), st.integers(1, 10**6))
def test_whoever_waits_long_enough_is_let_in_whatever_is_asked(rate: float, amount: int) -> None:
    clock = Seconds()
    buckets = Buckets(clock)
    buckets.take("one", amount, rate=rate, size=max(rate, 1))
    clock.now += (amount + max(rate, 1)) / rate + 1

    assert buckets.take("one", amount, rate=rate, size=max(rate, 1))


def test_each_name_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(Seconds())

    assert buckets.take("one", 1, rate=1, size=1)
    assert not buckets.take("one", 1, rate=1, size=1)
    assert buckets.take("other", 1, rate=1, size=1)


def test_names_that_nobody_uses_any_more_are_forgotten() -> None:
    buckets = Buckets(Seconds())
    for number in range(30_000):
        buckets.take(str(number), 1, rate=1, size=1)

    assert len(buckets._levels) == 10_000  # noqa: SLF001  # memory is what this is about


@pytest.mark.parametrize(
    ("callers", "lets_in"),
    [
        ({}, [True, True, True]),
        ({"ranking": 2}, [True, True, False]),
        ({"*": 2}, [True, True, False]),
        ({"*": 1, "ranking": 2}, [True, True, False]),
        ({"other": 1}, [True, True, True]),
    ],
)
def test_a_callers_own_rate_goes_before_everybodys(
    callers: Mapping[str, float], lets_in: list[bool]
) -> None:
    admission = Admission(RateLimits(callers=callers), Seconds())

    def is_let_in() -> bool:
        try:
            admission.admit_call("ranking")
        except LimitReachedError:
            return False
        return True

    assert [is_let_in() for _ in lets_in] == lets_in
    assert admission.asks_for_callers == bool(callers)


def test_what_one_group_refuses_takes_nothing_from_the_others() -> None:
    admission = Admission(RateLimits(groups={"spend": 100, "basket": 1}), Seconds())
    admission.admit_rows(["spend", "basket"], 10)

    for _ in range(20):
        with pytest.raises(LimitReachedError, match="basket"):
            admission.admit_rows(["spend", "basket"], 10)

    admission.admit_rows(["spend"], 90)


def test_a_limit_names_whose_it_is_and_what_it_allows() -> None:
    admission = Admission(RateLimits(groups={"household_spend": 100}), Seconds())
    admission.admit_rows(["household_spend"], 1_000)

    with pytest.raises(LimitReachedError) as refused:
        admission.admit_rows(["household_spend"], 1)

    assert str(refused.value) == (
        "feature group 'household_spend': the limit of 100 rows a second is reached;"
        " try again later"
    )


def test_the_certificate_goes_before_what_a_caller_says() -> None:
    metadata = (("other", "x"), ("headrace-caller", "fraud"))

    assert caller_name([b"ranking.example", b"spiffe://x"], metadata) == "ranking.example"
    assert caller_name([], metadata) == caller_name(None, metadata) == "fraud"
    assert caller_name(None, ()) == ""
