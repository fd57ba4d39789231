"""Which input columns each output column is computed from, derived from the polars plan itself.

Polars pushes projections down to its sources. So a source that records which columns it is asked
for tells, output by output, what the plan needs: no data is read, no text is parsed. Weak where
plans are: a function that collects inside sees empty frames, and an output that merely renames a
column that also decides which rows exist has no direct input.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import polars as pl
from polars.io.plugins import register_io_source


class InputColumn(NamedTuple):
    """A column of an input, by the input's name."""

    input: str
    column: str


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """What one output column is computed from.

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

    Args:
        plan: From lazy frames by the inputs' names to the rows; runs often, on empty frames.
        inputs: The schema of each input.

    Raises:
        Exception: Whatever the plan raises on empty frames.
    """
    empty = {name: pl.LazyFrame(schema=schema) for name, schema in inputs.items()}
    deciding = _needed(plan, inputs, pl.len())
    found: dict[str, ColumnLineage] = {}
    for output in plan(empty).collect_schema().names():
        needed = _needed(plan, inputs, pl.col(output))
        direct = needed - deciding or {each for each in needed if each.column == output}
        found[output] = ColumnLineage(tuple(sorted(direct)), tuple(sorted(needed & deciding)))
    return found


def _needed(plan: Plan, inputs: Mapping[str, pl.Schema], output: pl.Expr) -> set[InputColumn]:
    asked: set[InputColumn] = set()
    frames = {name: _recording(name, schema, asked) for name, schema in inputs.items()}
    plan(frames).select(output).collect()
    return asked


def _recording(name: str, schema: pl.Schema, asked: set[InputColumn]) -> pl.LazyFrame:
    def rows(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        _n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        columns = schema.names() if with_columns is None else with_columns
        filtered = [] if predicate is None else predicate.meta.root_names()
        asked.update(InputColumn(name, column) for column in (*columns, *filtered))
        yield pl.DataFrame(schema=schema).select(columns)

    return register_io_source(rows, schema=schema, is_pure=True)
