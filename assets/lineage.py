"""Which input columns each output column is computed from, derived from the polars plan itself.

The function is called once, on inputs that hold nothing, and the plan that it returns is read step
by step: no data is read, no text is parsed. What no step tells, because a Python function or
something unknown stands in between, is asked another way: polars pushes projections down to its
sources, so a source that records what it is asked for tells what an output needs. That way sees no
difference between a column's values and its part in choosing rows, and counts it as both: the
output is opaque.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl
from polars.io.plugins import register_io_source

from .plan import OPAQUE, InputColumn, InputColumns, read_plan


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """What one output column is computed from; a column may be both.

    Attributes:
        direct: The columns whose values enter the output's values.
        rows: The columns that decide which rows exist: keys, filters, joins.
        is_opaque: The output's values pass through something into which nobody sees, such as a
            Python function. All that it needs counts as direct then, and may be too much.
    """

    direct: tuple[InputColumn, ...]
    rows: tuple[InputColumn, ...]
    is_opaque: bool


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
    made = read_plan(frame, recorder.input_of)
    deciding = made.rows | collected
    if OPAQUE in deciding:
        deciding |= _deciding(plan, inputs)
    rows = _listed(deciding)
    lineage = {}
    for output, values in made.columns.items():
        is_opaque = OPAQUE in values
        direct = values | _needed(plan, inputs, pl.col(output)) if is_opaque else values
        lineage[output] = ColumnLineage(_listed(direct), rows, is_opaque)
    return lineage


def _listed(columns: InputColumns) -> tuple[InputColumn, ...]:
    return tuple(sorted(columns - {OPAQUE}))


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


def _deciding(plan: Plan, inputs: Mapping[str, pl.Schema]) -> set[InputColumn]:
    # Where no column decides, polars counts the first one: never the same in both orders.
    backward = {name: pl.Schema(reversed(schema.items())) for name, schema in inputs.items()}
    return _needed(plan, inputs, pl.len()) & _needed(plan, backward, pl.len())


def _needed(plan: Plan, inputs: Mapping[str, pl.Schema], output: pl.Expr) -> set[InputColumn]:
    recorder = _Recorder()
    frames = {name: recorder.frame(name, schema) for name, schema in inputs.items()}
    plan(frames).select(output).collect()
    return recorder.asked
