"""Which input columns each output column is computed from, derived from the polars plan itself.

The function is called once, on inputs that hold nothing, and the plan that it returns is read step
by step: no data is read, no text is parsed. A plan with a step that cannot be read, such as a
Python function over rows, is asked another way: polars pushes projections down to its sources, so
a source that records what it is asked for tells what each output needs. That way sees no difference
between a column's values and its part in choosing rows, and counts it as the latter; under a Python
function, into which nobody sees, as both.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl
from polars.io.plugins import register_io_source

from .plan import Derivation, InputColumn, read_plan
from .plan_expressions import UnreadablePlanError


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """What one output column is computed from; a column may be both.

    Attributes:
        direct: The columns whose values enter the output's values.
        rows: The columns that decide which rows exist: keys, filters, joins.
    """

    direct: tuple[InputColumn, ...]
    rows: tuple[InputColumn, ...]


Lineage: TypeAlias = Mapping[str, ColumnLineage]
Plan: TypeAlias = Callable[[Mapping[str, pl.LazyFrame]], pl.LazyFrame]


def derive_lineage(plan: Plan, inputs: Mapping[str, pl.Schema]) -> Lineage:
    """The lineage of every output column, in the plan's order.

    What a function collects while it makes its plan has left the plan: such columns are said to
    decide the rows.

    Args:
        plan: From lazy frames by the inputs' names to the rows; runs on empty frames.
        inputs: The schema of each input.

    Raises:
        Exception: Whatever the plan raises on empty frames.
    """
    recorder = _Recorder()
    frame = plan({name: recorder.frame(name, schema) for name, schema in inputs.items()})
    collected = frozenset(recorder.asked)
    try:
        made = read_plan(frame, recorder.input_of)
    except UnreadablePlanError as error:
        made = _by_projection(plan, inputs, is_opaque=error.is_python)
    rows = tuple(sorted(made.rows | collected))
    return {
        output: ColumnLineage(tuple(sorted(direct)), rows)
        for output, direct in made.columns.items()
    }


@dataclass(slots=True)
class _Recorder:
    """Makes empty inputs that know when they are read, and of which columns."""

    asked: set[InputColumn] = field(default_factory=set)
    names: dict[int, str] = field(default_factory=dict)

    def frame(self, name: str, schema: pl.Schema) -> pl.LazyFrame:
        """An empty input."""

        def rows(
            with_columns: list[str] | None,
            predicate: pl.Expr | None,
            _n_rows: int | None,
            _batch_size: int | None,
        ) -> Iterator[pl.DataFrame]:
            columns = schema.names() if with_columns is None else with_columns
            filtered = [] if predicate is None else predicate.meta.root_names()
            self.asked.update(InputColumn(name, column) for column in (*columns, *filtered))
            yield pl.DataFrame(schema=schema).select(columns)

        self.names[id(rows)] = name
        return register_io_source(rows, schema=schema, is_pure=True)

    def input_of(self, scan: object) -> str | None:
        """The input that polars scans by this function, which wraps ours."""
        cells = getattr(scan, "__closure__", None) or ()
        found = (self.names.get(id(cell.cell_contents)) for cell in cells)
        return next((name for name in found if name is not None), None)


def _by_projection(plan: Plan, inputs: Mapping[str, pl.Schema], *, is_opaque: bool) -> Derivation:
    empty = {name: pl.LazyFrame(schema=schema) for name, schema in inputs.items()}
    # Where no column decides, polars counts the first one: never the same in both orders.
    backward = {name: pl.Schema(reversed(schema.items())) for name, schema in inputs.items()}
    deciding = _needed(plan, inputs, pl.len()) & _needed(plan, backward, pl.len())
    columns = {}
    for output in plan(empty).collect_schema().names():
        needed = _needed(plan, inputs, pl.col(output))
        direct = needed - deciding or {each for each in needed if each.column == output}
        columns[output] = frozenset(needed if is_opaque else direct)
    return Derivation(columns, frozenset(deciding))


def _needed(plan: Plan, inputs: Mapping[str, pl.Schema], output: pl.Expr) -> set[InputColumn]:
    recorder = _Recorder()
    frames = {name: recorder.frame(name, schema) for name, schema in inputs.items()}
    plan(frames).select(output).collect()
    return recorder.asked
