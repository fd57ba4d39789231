"""What `serving.py` asks for, and what is right. Standard library only: Feast's side imports it."""

from dataclasses import dataclass

ENTITIES = 2_000
GROUPS = {"spend": 10, "profile": 50, "baskets": 10, "visits": 10}
"""Feature groups, and how many features each has: float64, all of one entity, `customer`."""

KEY = "customer_id"


@dataclass(frozen=True, slots=True)
class Case:
    """One question.

    Attributes:
        name: As tables show it: entities × features.
    """

    name: str
    entities: int
    groups: tuple[str, ...]

    @property
    def ids(self) -> list[int]:
        """The entities asked for."""
        return [number * 7 % ENTITIES for number in range(self.entities)]

    @property
    def features(self) -> int:
        """How many values one answer holds."""
        return self.entities * sum(GROUPS[group] for group in self.groups)

    @property
    def names(self) -> list[str]:
        """The features asked for, as `group:feature`."""
        return [f"{group}:{name}" for group in self.groups for name in feature_names(group)]

    @property
    def values(self) -> list[list[float]]:
        """The right answer: for each entity its features, in the order asked."""
        return [
            [value(group, each, number) for group in self.groups for number in range(GROUPS[group])]
            for each in self.ids
        ]


ONE, HUNDRED, WIDE, THREE = CASES = (
    Case("1 × 10", 1, ("spend",)),
    Case("100 × 10", 100, ("spend",)),
    Case("100 × 50", 100, ("profile",)),
    Case("100 × 3 groups of 10", 100, ("spend", "baskets", "visits")),
)


def feature_names(group: str) -> list[str]:
    """The features of a group."""
    return [f"{group}_{number}" for number in range(GROUPS[group])]


def value(group: str, entity: int, number: int) -> float:
    """The value of a feature; exact in every type that a contender may keep it in."""
    seed = entity * 7919 + number * 104_729 + len(group) * 611_953
    return seed % 1_000_003 / 8
