"""How much of what is served is what was committed, and how sure that is."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Consistency:
    """A share of entities whose online state is right, and the interval in which it lies.

    Attributes:
        share: Among those that were looked at.
        low: The lower end of the 95 % confidence interval of the share among all.
        high: The upper end.
    """

    share: float
    low: float
    high: float


def measured(equal: int, looked_at: int) -> Consistency | None:
    """The share where everything was looked at: it is known, not estimated."""
    if not looked_at:
        return None
    share = equal / looked_at
    return Consistency(share, share, share)


def estimated(equal: int, looked_at: int) -> Consistency | None:
    """The share where entities were drawn at random, with Wilson's score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
    the American Statistical Association 22 (1927), 209-212. It keeps its promise also near 1, where
    a share plus and minus its standard error does not (L. D. Brown, T. T. Cai, A. DasGupta,
    "Interval estimation for a binomial proportion", Statistical Science 16 (2001), 101-133). That
    the entities are finite in number, which would narrow it, is left out.
    """
    if not looked_at:
        return None
    share, weight = equal / looked_at, _Z**2 / looked_at
    center = (share + weight / 2) / (1 + weight)
    spread = sqrt(weight * share * (1 - share) + weight**2 / 4) / (1 + weight)
    low = 0.0 if equal == 0 else center - spread
    high = 1.0 if equal == looked_at else center + spread
    return Consistency(share, low, high)
