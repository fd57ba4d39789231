"""The expressions of a polars plan: what they are made of, and which need rows in an order."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

PlanNode: TypeAlias = Any
"""A step or an expression as polars shows it: there are no types for them."""

_OPERANDS: Mapping[str, tuple[str, ...]] = {
    "Column": (),
    "Literal": (),
    "Len": (),
    "BinaryExpr": ("left", "right"),
    "Cast": ("expr",),
    "Sort": ("expr",),
    "SortBy": ("expr", "by"),
    "Gather": ("expr", "idx"),
    "Filter": ("input", "by"),
    "Slice": ("input", "offset", "length"),
    "Agg": ("arguments",),
    "Ternary": ("predicate", "truthy", "falsy"),
    "Function": ("input",),
    "Window": ("function", "partition_by", "order_by"),
}
_ORDERED = frozenset({"shift", "diff", "interpolate", "fill_null_with_strategy", "rle", "rle_id"})
_ORDERED_FAMILIES = ("cum_", "ewm_", "RollingFunction.")


class UnreadablePlanError(Exception):
    """A plan holds something that we do not know."""

    def __init__(self, *, what: str) -> None:
        """Name it."""
        super().__init__(f"nothing is known of {what}")


def parts(plan: PlanNode, node: int) -> Iterator[PlanNode]:
    """An expression, and all that it is made of.

    Raises:
        UnreadablePlanError: One of them is not known here.
    """
    part = plan.view_expression(node)
    if kind(part) not in _OPERANDS:
        raise UnreadablePlanError(what=f"the expression {kind(part)}")
    yield part
    for name in _OPERANDS[kind(part)]:
        operands = getattr(part, name)
        for operand in operands if isinstance(operands, list | tuple) else [operands]:
            if operand is not None:
                yield from parts(plan, operand)


def kind(part: PlanNode) -> str:
    """The name of a step or an expression, such as `Column`."""
    return type(part).__name__


def needs_order(part: PlanNode) -> bool:
    """Whether an expression's value changes when rows come in another order."""
    if kind(part) == "Agg":
        return part.name in {"first", "last", "item"}
    if kind(part) == "Function":
        name = str(part.function_data[0])
        return name in _ORDERED or name.startswith(_ORDERED_FAMILIES)
    return kind(part) in {"Slice", "Gather"}
