"""All columns that are declared, and which of them is computed from which: lineage as one graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from .declarations import Dimension, FeatureGroup, Source
from .declared_lineage import declared_lineage
from .discovery import Declarations
from .model_inputs import TrainingSet
from .pinned_inputs import asset_name, upstream_of

Declared: TypeAlias = Source | Dimension | FeatureGroup | TrainingSet


class Column(NamedTuple):
    """A column of a table, by the table's asset."""

    asset: str
    name: str

    def __str__(self) -> str:
        """As people write it: `sources/transactions.sales_value`."""
        return f"{self.asset}.{self.name}"


class Touch(StrEnum):
    """How a column touches another; the first is the closest."""

    DIRECT = "direct"
    """Its values enter the other's values."""
    ROWS = "rows"
    """It decides which rows the other's table has."""
    UNKNOWN = "unknown"
    """The lineage of a table between them could not be derived."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How a column is reached from another.

    Attributes:
        touch: The closest way there is: along the path everything is at least as close.
        path: The columns of a shortest such way, both ends included.
    """

    touch: Touch
    path: tuple[Column, ...]


Edges: TypeAlias = dict[Column, dict[Column, Touch]]


@dataclass(frozen=True, slots=True)
class ColumnGraph:
    """The columns of all tables and the edges between them.

    Attributes:
        columns: The names of the columns of each asset, in the table's order.
    """

    columns: Mapping[str, tuple[str, ...]]
    _downstream: Edges
    _upstream: Edges

    @classmethod
    def of(cls, declarations: Declarations) -> "ColumnGraph":
        """The graph of everything that is declared; derives the lineage of all of it."""
        tables = {table_asset(each): each for each in declarations.tables}
        downstream: Edges = {}
        upstream: Edges = {}
        for declared in tables.values():
            if isinstance(declared, FeatureGroup | TrainingSet):
                for column, touched, touch in _edges(declared):
                    downstream.setdefault(column, {})[touched] = touch
                    upstream.setdefault(touched, {})[column] = touch
        columns = {asset: tuple(each.table.schema.names()) for asset, each in tables.items()}
        return cls(columns, downstream, upstream)

    def touched_by(self, column: Column) -> dict[Column, Reach]:
        """All that a column touches, at any distance: direct ones first, then by distance."""
        return _reached(column, self._downstream)

    def origins_of(self, column: Column) -> dict[Column, Reach]:
        """All that touches a column, at any distance; a path begins at the column itself."""
        return _reached(column, self._upstream)

    def raw_origins_of(self, column: Column) -> dict[Column, Reach]:
        """Those origins that come from outside: columns of sources and dimensions."""
        return {
            origin: reach
            for origin, reach in self.origins_of(column).items()
            if origin.asset.startswith(("sources/", "dimensions/"))
        }


def table_asset(declared: Declared) -> str:
    """The asset key of the table of a declaration, as people write it."""
    if isinstance(declared, TrainingSet):
        return "/".join(declared.asset_path)
    return asset_name(declared)


def _edges(declared: FeatureGroup | TrainingSet) -> Iterator[tuple[Column, Column, Touch]]:
    asset = table_asset(declared)
    try:
        lineage = declared_lineage(declared)
    except Exception:  # noqa: BLE001 - the function is its author's: nothing is known of it then
        yield from _unknown(declared)
        return
    for output, each in lineage.items():
        touched = Column(asset, output)
        for column in each.rows:
            yield Column(*column), touched, Touch.ROWS
        for column in each.direct:  # replaces the former where a column is both
            yield Column(*column), touched, Touch.DIRECT


def _unknown(declared: FeatureGroup | TrainingSet) -> Iterator[tuple[Column, Column, Touch]]:
    outputs = [Column(table_asset(declared), name) for name in declared.table.schema.names()]
    upstream = [upstream_of(each) for each in declared.inputs]
    if isinstance(declared, TrainingSet):
        upstream += [feature.group for feature in declared.service.features]
    for each in upstream:
        for name in each.table.schema.names():
            for output in outputs:
                yield Column(asset_name(each), name), output, Touch.UNKNOWN


def _reached(start: Column, edges: Edges) -> dict[Column, Reach]:
    """Breadth first, three times: along the closest edges alone, then along more of them."""
    found: dict[Column, Reach] = {}
    for number, touch in enumerate(Touch, start=1):
        allowed = set(list(Touch)[:number])
        paths: dict[Column, tuple[Column, ...]] = {start: (start,)}
        waiting = [start]
        for column in waiting:  # grows while it is walked
            for after, how in edges.get(column, {}).items():
                if how in allowed and after not in paths:
                    paths[after] = (*paths[column], after)
                    waiting.append(after)
        for column in waiting[1:]:
            found.setdefault(column, Reach(touch, paths[column]))
    return found
