from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.resources.online.consistency import Consistency, estimated, measured

Z = NormalDist().inv_cdf(0.975)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_ends_are_the_shares_that_lie_just_within_reach(counts: tuple[int, int]) -> None:
    """Wilson: at both ends the observed share is z standard errors of *that* share away."""
    equal, looked_at = counts

    found = estimated(equal, looked_at)

    assert found is not None
    for end in (found.low, found.high):
        error = (end * (1 - end) / looked_at) ** 0.5
        assert abs(found.share - end) == pytest.approx(Z * error, abs=1e-9)
    assert 0 <= found.low <= found.share <= found.high <= 1


@pytest.mark.parametrize(
    ("equal", "looked_at", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(
    equal: int, looked_at: int, low: float, high: float
) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    found = estimated(equal, looked_at)

    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_where_everything_was_looked_at_nothing_is_left_to_chance() -> None:
    assert measured(3, 4) == Consistency(0.75, 0.75, 0.75)


def test_nothing_that_was_looked_at_says_nothing() -> None:
    assert measured(0, 0) is None
    assert estimated(0, 0) is None
