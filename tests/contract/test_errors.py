import inspect
import re

from headrace.contract import errors
from headrace.contract.errors import HeadraceError, UnknownNameError


def test_the_drawing_at_the_top_is_the_tree() -> None:
    """A reader trusts it; a new class has to be drawn."""
    drawn: list[tuple[int, str]] = [
        (match.start("name"), match["name"])
        for line in (errors.__doc__ or "").splitlines()
        if (match := re.fullmatch(r"[ │├└─]*(?P<name>[A-Z]\w*Error)(?: {2}.*)?", line))
    ]
    parents: dict[str, str] = {}
    for index, (depth, name) in enumerate(drawn):
        above = [other for other_depth, other in drawn[:index] if other_depth < depth]
        shallower = [d for d, _ in drawn[:index] if d < depth]
        if above:
            parents[name] = above[max(i for i, d in enumerate(shallower) if d == max(shallower))]

    defined = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, HeadraceError) and kind is not HeadraceError
    }

    assert parents == defined


def test_an_unknown_name_comes_with_the_nearest_ones() -> None:
    error = UnknownNameError(
        kind="feature group",
        name="houshold_spend",
        known=["household_spend", "household_store", "product_popularity"],
    )

    assert str(error) == (
        "there is no feature group 'houshold_spend';"
        " did you mean 'household_spend' or 'household_store'?"
    )


def test_an_unknown_name_far_from_all_lists_what_exists() -> None:
    error = UnknownNameError(kind="feature", name="zzz", known=["b", "a"])
    none = UnknownNameError(kind="feature", name="zzz", known=[])
    full = UnknownNameError(kind="feature", name="zzz", known=[f"{n:02}" for n in range(20)])
    more = UnknownNameError(kind="feature", name="zzz", known=[f"{n:02}" for n in range(22)])

    assert str(error) == "there is no feature 'zzz'; known: a, b"
    assert str(none).endswith("; known: none")
    assert str(full).endswith(", 18, 19")
    assert str(more).endswith(", 18, 19, and 2 more")


def test_an_unknown_name_that_something_else_bears_comes_with_that() -> None:
    error = UnknownNameError(kind="feature", name="aa", known=["aaa"], instead="it is a fish")

    assert str(error) == "there is no feature 'aa'; it is a fish"
    assert error.nearest == ()
