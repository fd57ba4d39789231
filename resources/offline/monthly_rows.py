"""A feature table read bucket by bucket and month by month, from its history where that fits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from ...contract.partitions import Partitioning
from ...contract.status import microseconds
from .cell_index import CellIndex, table_cut
from .column_values import Columns, columns_of, frame_of
from .history import History, history_of, month_of
from .plain_columns import PlainFile
from .table_snapshot import TableSnapshot
from .table_spec import EVENT_TIMESTAMP


@dataclass(frozen=True, slots=True)
class RowsOfMonth:
    """A bucket's rows in a month.

    Attributes:
        columns: Their columns; join keys only where there is no index.
        index: Which of them are whose; only where they are sorted by join keys and event timestamp.
    """

    columns: Columns
    index: CellIndex | None = None

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "RowsOfMonth":
        """Rows in any order."""
        return cls(columns_of(rows.rechunk()))


@dataclass(slots=True)
class MonthlyRows:
    """The rows of a pinned table by month and bucket; one for each reader.

    Attributes:
        history: Whose files stand for the partitions that it covers.
        uncovered: The partitions whose newest commits it does not have; the table's files do.
        replaced: Those of them of which it has the rows of an earlier commit.
        opened: The addresses of the files that were read so far.
    """

    snapshot: TableSnapshot
    history: History | None
    uncovered: frozenset[str]
    replaced: frozenset[str]
    opened: set[str] = field(default_factory=set)
    _stored: Mapping[tuple[str, int], list[tuple[str, str]]] | None = None

    @classmethod
    def of(cls, snapshot: TableSnapshot) -> "MonthlyRows":
        """Find the history; opens no file."""
        history = history_of(snapshot)
        covers = -1 if history is None else history.covers
        uncovered = frozenset(
            key for key, commit in snapshot.commits.items() if commit.version > covers
        )
        replaced = uncovered & snapshot.log.newest(covers).keys()
        return cls(snapshot, history, uncovered, replaced)

    @property
    def file_count(self) -> int:
        """How many files the whole table would be read from."""
        cells = len(self.history.cells) if self.history else 0
        if not self.uncovered:
            return cells
        tail = (key for files in self._listed().values() for key, _ in files)
        return cells + sum(key in self.uncovered for key in tail)

    @property
    def is_local(self) -> bool:
        """Whether reading waits for no network."""
        return "://" not in self.snapshot.log.uri

    def read(
        self, month: str, bucket: int, partitions: Collection[str], columns: Sequence[str]
    ) -> RowsOfMonth:
        """A bucket's rows in a month: those of the given partitions, perhaps of others beside them.

        They are all of newest commits, in no order that could be relied on without an index.

        Args:
            month: As in `2018-01`.
            bucket: The number of an entity bucket.
            partitions: Those of the month that are wanted.
            columns: Features; event timestamp and join keys, or an index, come with them.
        """
        columns = [*self.snapshot.spec.order, *columns]
        tail = self.uncovered.intersection(partitions)
        cell = self.history.cells.get((month, bucket)) if self.history else None
        if cell is None or len(tail) == len(partitions):
            return RowsOfMonth.of(self._read(self._files(month, bucket, tail), columns))
        files, outdated = self._files(month, bucket, tail), self._outdated(month)
        try:
            if not files and not outdated:
                return self._read_cell(cell, columns)
            rows = self._without(outdated, self._cell_frame(cell, columns))
        except (pl.exceptions.PolarsError, OSError, ValueError):
            # It was removed as outdated, or is damaged. The table has all of its rows.
            return RowsOfMonth.of(self._read(self._files(month, bucket, partitions), columns))
        return RowsOfMonth.of(pl.concat([rows, self._read(files, columns)]) if files else rows)

    def _files(self, month: str, bucket: int, partitions: Collection[str]) -> list[str]:
        if not partitions:
            return []
        stored = self._listed().get((month, bucket), [])
        return [uri for partition, uri in stored if partition in partitions]

    def _listed(self) -> Mapping[tuple[str, int], list[tuple[str, str]]]:
        """The table's files: thousands, which a history that covers all partitions spares."""
        if self._stored is None:
            self._stored = _files(self.snapshot)
        return self._stored

    def _read(self, uris: list[str], columns: Sequence[str]) -> pl.DataFrame:
        self.opened.update(uris)
        return self.snapshot.scan_files(uris).select(columns).collect()

    def _read_cell(self, uri: str, columns: Sequence[str]) -> RowsOfMonth:
        file, spec = self._plain(uri, columns), self.snapshot.spec
        beside = file.read_beside()
        index = None if beside is None else CellIndex.from_bytes(*beside)
        if index is None or index.cut != table_cut(spec):
            return RowsOfMonth(self._columns(file, columns))
        without_keys = [name for name in columns if name not in spec.key]
        return RowsOfMonth(self._columns(file, without_keys), index)

    def _cell_frame(self, uri: str, columns: Sequence[str]) -> pl.DataFrame:
        found = self._columns(self._plain(uri, columns), columns)
        return frame_of(found, self.snapshot.spec.schema).select(columns)

    def _plain(self, uri: str, columns: Sequence[str]) -> PlainFile:
        self.opened.add(uri)
        return PlainFile.of(uri, {name: self.snapshot.spec.schema[name] for name in columns})

    def _columns(self, file: PlainFile, columns: Sequence[str]) -> Columns:
        others = [name for name in columns if name not in file.places]
        found = columns_of(self._read([file.uri], others)) if others else {}
        return {**found, **file.read(columns)}

    def _outdated(self, month: str) -> list[datetime]:
        """The ends of the month's partitions of which the history has rows of an earlier commit."""
        cut = self.snapshot.spec.partitioning
        if not isinstance(cut, Partitioning):
            return []
        return [cut.window(key).end for key in self.replaced if month_of(key) == month]

    def _without(self, outdated: Sequence[datetime], rows: pl.DataFrame) -> pl.DataFrame:
        cut = self.snapshot.spec.partitioning
        if not isinstance(cut, Partitioning):
            return rows
        length, at = microseconds(cut.length), pl.col(EVENT_TIMESTAMP).to_physical()
        ends = (at if self.snapshot.spec.stamped_at_end else at // length * length + length).cast(
            pl.Datetime("us", "UTC")
        )
        return rows.filter(~ends.is_in(outdated))


def _files(snapshot: TableSnapshot) -> dict[tuple[str, int], list[tuple[str, str]]]:
    """Partition and address of the table's files, by month and bucket."""
    files: dict[tuple[str, int], list[tuple[str, str]]] = {}
    single = snapshot.buckets == 1
    for file in snapshot.stored_files():
        partition, bucket = file.partition or "", 0 if single else file.bucket or 0
        files.setdefault((month_of(partition), bucket), []).append((partition, file.uri))
    return files
