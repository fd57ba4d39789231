"""A polars plan, read step by step: from which input columns each column is made, and each row.

Polars shows its plans to other engines through a numbered interface; ours is `_VERSION`. What this
module cannot see into, such as a Python function over rows, and what it does not know, a step, an
expression or another version, makes `OPAQUE` values; all around it is read as ever.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import polars as pl

from .plan_expressions import PlanNode, UnreadablePlanError, kind, needs_order, parts

_VERSION = 16
_UNTOUCHED = pl.QueryOptFlags.none()


class InputColumn(NamedTuple):
    """A column of an input, by the input's name."""

    input: str
    column: str


InputColumns: TypeAlias = frozenset[InputColumn]
OPAQUE = InputColumn("", "")
"""Stands for whatever enters a step or an expression into which nobody sees."""
_NONE: InputColumns = frozenset()
_UNSEEN: InputColumns = frozenset({OPAQUE})


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a frame is made of.

    Attributes:
        columns: For each column the input columns whose values enter its values.
        rows: The input columns that decide which rows there are: keys, filters, joins.
        order: Those that decide the order of the rows, which matters where the first or last wins.
    """

    columns: Mapping[str, InputColumns]
    rows: InputColumns = _NONE
    order: InputColumns = _NONE

    def of(self, names: Iterable[str]) -> InputColumns:
        """The input columns that enter any of these columns."""
        return _union(self.columns[name] for name in names)


def read_plan(frame: pl.LazyFrame, input_of: Callable[[object], str | None]) -> Derivation:
    """What a lazy frame is made of; nothing is computed.

    Args:
        frame: The frame.
        input_of: The name of the input that a Python scan's function stands for, if any.
    """
    # A fold of constants or a pushed-down filter would hide what the author wrote.
    plan = frame._ldf.with_optimizations(_UNTOUCHED._pyoptflags).visit()  # noqa: SLF001 - there is no public way to see a plan
    if plan.version()[0] != _VERSION:
        return _unseen(frame.collect_schema().names())
    return _Reader(plan, input_of).read()


def _unseen(names: Iterable[str]) -> Derivation:
    return Derivation(dict.fromkeys(names, _UNSEEN), _UNSEEN, _UNSEEN)


@dataclass(frozen=True, slots=True)
class _Reader:
    plan: PlanNode
    input_of: Callable[[object], str | None]

    def read(self) -> Derivation:
        """The derivation of the step at which the plan stands."""
        names = list(self.plan.get_schema())
        try:
            step = self.plan.view_current_node()
            inputs = [self._at(each) for each in self.plan.get_inputs()]
            known = _STEPS.get(kind(step))
            return known(self, step, inputs, names) if known else _unseen(names)
        except (NotImplementedError, UnreadablePlanError):
            return _unseen(names)

    def _at(self, node: int) -> Derivation:
        self.plan.set_node(node)
        return self.read()

    def used(self, expressions: Iterable[PlanNode], frame: Derivation) -> InputColumns:
        """The input columns that enter any of these expressions."""
        return _union(self.value(each, frame) for each in expressions)

    def value(self, expression: PlanNode, frame: Derivation) -> InputColumns:
        """The input columns that enter an expression's values."""
        found = self._parts(expression)
        if found is None:
            return _UNSEEN
        columns = _union(frame.columns[part.name] for part in found if kind(part) == "Column")
        return columns | frame.order if any(map(needs_order, found)) else columns

    def filtering(self, expression: PlanNode, frame: Derivation) -> InputColumns:
        """The input columns by which an expression that is no aggregate drops rows."""
        found = self._parts(expression)
        if found is None:
            return _UNSEEN
        if any(kind(part) in {"Agg", "Window"} for part in found):
            return _NONE
        dropped = [part.by for part in found if kind(part) == "Filter"]
        columns = (part for node in dropped for part in parts(self.plan, node))
        return _union(frame.columns[part.name] for part in columns if kind(part) == "Column")

    def _parts(self, expression: PlanNode) -> list[PlanNode] | None:
        """What an expression is made of; `None` where something of it cannot be seen."""
        try:
            return list(parts(self.plan, expression.node))
        except (NotImplementedError, UnreadablePlanError):
            return None


def _scan(reader: _Reader, step: PlanNode, _: list[Derivation], names: list[str]) -> Derivation:
    options = getattr(step, "options", None)
    name = reader.input_of(options[0]) if isinstance(options, tuple) else None
    return Derivation(
        {
            each: frozenset() if name is None else frozenset({InputColumn(name, each)})
            for each in names
        }
    )


def _select(reader: _Reader, step: PlanNode, inputs: list[Derivation], _: list[str]) -> Derivation:
    (frame,) = inputs
    dropped = _union(reader.filtering(each, frame) for each in step.expr)
    columns = {each.output_name: reader.value(each, frame) for each in step.expr}
    return replace(frame, columns=columns, rows=frame.rows | dropped)


def _with_columns(
    reader: _Reader, step: PlanNode, inputs: list[Derivation], _: list[str]
) -> Derivation:
    (frame,) = inputs
    added = {each.output_name: reader.value(each, frame) for each in step.exprs}
    return replace(frame, columns={**frame.columns, **added})


def _projection(_: _Reader, __: PlanNode, inputs: list[Derivation], names: list[str]) -> Derivation:
    (frame,) = inputs
    return replace(frame, columns={name: frame.columns[name] for name in names})


def _same(_: _Reader, __: PlanNode, inputs: list[Derivation], ___: list[str]) -> Derivation:
    (frame,) = inputs
    return frame


def _filter(reader: _Reader, step: PlanNode, inputs: list[Derivation], _: list[str]) -> Derivation:
    (frame,) = inputs
    return replace(frame, rows=frame.rows | reader.value(step.predicate, frame))


def _slice(_: _Reader, __: PlanNode, inputs: list[Derivation], ___: list[str]) -> Derivation:
    (frame,) = inputs
    return replace(frame, rows=frame.rows | frame.order)


def _sort(reader: _Reader, step: PlanNode, inputs: list[Derivation], _: list[str]) -> Derivation:
    (frame,) = inputs
    order = frame.order | reader.used(step.by_column, frame)
    return replace(frame, order=order, rows=frame.rows | (_NONE if step.slice is None else order))


def _distinct(_: _Reader, step: PlanNode, inputs: list[Derivation], names: list[str]) -> Derivation:
    (frame,) = inputs
    keep, subset = step.options[0], step.options[1]
    rows = frame.rows | frame.of(subset or names)
    if keep not in {"first", "last"}:
        return replace(frame, rows=rows)
    columns = {name: made | frame.order for name, made in frame.columns.items()}
    return replace(frame, columns=columns, rows=rows)


def _group_by(
    reader: _Reader, step: PlanNode, inputs: list[Derivation], names: list[str]
) -> Derivation:
    (frame,) = inputs
    if step.apply:
        raise UnreadablePlanError(what="a function of groups")
    made = {each.output_name: reader.value(each, frame) for each in (*step.keys, *step.aggs)}
    # What is neither a key nor an aggregate is the time by which a window rolls.
    made |= {name: frame.columns[name] for name in names if name not in made}
    aggregates = {each.output_name for each in step.aggs}
    keys = _union(columns for name, columns in made.items() if name not in aggregates)
    order = frame.order if step.maintain_order else _NONE
    return Derivation({name: made[name] for name in names}, frame.rows | keys, order)


def _join(
    reader: _Reader, step: PlanNode, inputs: list[Derivation], names: list[str]
) -> Derivation:
    left, right = inputs
    how, _, _, suffix, *_ = step.options
    rows = left.rows | right.rows
    rows |= reader.used(step.left_on, left) | reader.used(step.right_on, right)
    if not isinstance(how, str):  # as-of: its name, …, the columns that must be equal
        rows |= left.of(how[4] or ()) | right.of(how[5] or ())
        how = "Left"
    # A constant of a side that may find no match says whether it found one.
    optional_left, optional_right = how in {"Right", "Full"}, how in {"Left", "Full"}
    of_left = _matched(left, reader.used(step.left_on, left) if optional_left else _NONE)
    of_right = _matched(right, reader.used(step.right_on, right) if optional_right else _NONE)
    if how == "Right":
        of_left = {name: of_left[name] for name in of_left.keys() - _names(step.left_on)}
    renamed = {f"{name}{suffix}": made for name, made in of_right.items()}
    known = {**renamed, **of_right, **of_left}
    columns = {name: known[name] for name in names}
    if how in {"Inner", "Full"}:  # a key is the one as well as the other
        for one, other in zip(step.left_on, step.right_on, strict=True):
            if one.output_name in columns:
                columns[one.output_name] |= reader.value(one, left) | reader.value(other, right)
    return Derivation(columns, rows, left.order)


def _names(expressions: Iterable[PlanNode]) -> set[str]:
    return {each.output_name for each in expressions}


def _matched(side: Derivation, keys: InputColumns) -> dict[str, InputColumns]:
    return {name: made or keys for name, made in side.columns.items()}


def _map(_: _Reader, step: PlanNode, inputs: list[Derivation], names: list[str]) -> Derivation:
    (frame,) = inputs
    what, *arguments = step.function
    if what == "hint_sorted":
        return frame
    if what == "explode":
        return replace(frame, rows=frame.rows | frame.of(arguments[0]))
    if what == "row_index":
        return replace(frame, columns={**frame.columns, arguments[0]: frame.order})
    if what == "unnest":
        fields = frame.of(arguments[0])
        return replace(frame, columns={name: frame.columns.get(name, fields) for name in names})
    if what == "unpivot":
        return _unpivoted(frame, arguments)
    raise UnreadablePlanError(what=f"the step {what}")


def _unpivoted(frame: Derivation, arguments: list[Any]) -> Derivation:
    """One row per column of `on`: their names are constants, their values come together."""
    index, on, variable, value = arguments
    kept = {name: frame.columns[name] for name in index}
    return replace(frame, columns={**kept, variable: _NONE, value: frame.of(on)})


def _union_of_frames(
    _: _Reader, __: PlanNode, inputs: list[Derivation], names: list[str]
) -> Derivation:
    columns = {name: _union(each.columns[name] for each in inputs) for name in names}
    return Derivation(columns, _union(each.rows for each in inputs))


def _beside(_: _Reader, __: PlanNode, inputs: list[Derivation], names: list[str]) -> Derivation:
    columns = {name: made for each in inputs for name, made in each.columns.items()}
    rows = _union(each.rows | each.order for each in inputs)
    return Derivation({name: columns[name] for name in names}, rows)


_STEPS: Mapping[str, Callable[[_Reader, PlanNode, list[Derivation], list[str]], Derivation]] = {
    "PythonScan": _scan,
    "DataFrameScan": _scan,
    "Scan": _scan,
    "SimpleProjection": _projection,
    "Select": _select,
    "HStack": _with_columns,
    "Filter": _filter,
    "Slice": _slice,
    "Sort": _sort,
    "Distinct": _distinct,
    "GroupBy": _group_by,
    "Join": _join,
    "MapFunction": _map,
    "Union": _union_of_frames,
    "HConcat": _beside,
    "Cache": _same,
}


def _union(sets: Iterable[InputColumns]) -> InputColumns:
    return _NONE.union(*sets)
