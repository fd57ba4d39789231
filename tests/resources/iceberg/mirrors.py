"""Exports of one offline store, read back as strangers would: pyiceberg and DuckDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
from pyiceberg.table import Table

from headrace.contract.environment import Environment
from headrace.resources.iceberg.catalog import open_catalog
from headrace.resources.iceberg.export import Export, export_group
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable

ALL = "true"


@dataclass(frozen=True, slots=True)
class Mirror:
    """A home whose groups are exported."""

    home: Path
    store: OfflineStore

    @property
    def environment(self) -> Environment:
        """Whose catalog it is."""
        return Environment.read({"HEADRACE_HOME": str(self.home)})

    def export(self, name: str = "spend") -> Export:
        """Export a group, as another process would."""
        store = OfflineStore(self.store.root, self.store.storage_options)
        with open_catalog(self.environment, store) as catalog:
            return export_group(store, catalog, name)

    @contextmanager
    def table(self, name: str = "spend") -> Iterator[Table]:
        """The Iceberg table, from the catalog."""
        with open_catalog(self.environment, self.store) as catalog:
            yield catalog.load_table(f"headrace.{name}")

    def read(self, row_filter: str = ALL, columns: Sequence[str] = ("*",)) -> pl.DataFrame:
        """What pyiceberg reads of `spend`, in the order of all its columns."""
        with self.table() as table:
            return _frame(table, row_filter, columns)

    def files(self, row_filter: str = ALL) -> set[str]:
        """The files that a reader opens for a filter, as paths or addresses of an object store."""
        with self.table() as table:
            tasks = table.scan(row_filter=row_filter).plan_files()
            return {task.file.file_path.removeprefix("file://") for task in tasks}

    def duckdb(self, query: str) -> list[tuple[object, ...]]:
        """What DuckDB answers from the files of the snapshot, as the view `spend`."""
        with duckdb.connect() as connection:
            files = connection.read_parquet(sorted(self.files()), union_by_name=True)
            files.create_view("spend")
            return connection.sql(query).fetchall()

    def duckdb_rows(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """What DuckDB reads of these columns, in the order of all of them."""
        with duckdb.connect() as connection:
            files = connection.read_parquet(sorted(self.files()), union_by_name=True)
            return files.project(*columns).order("ALL NULLS FIRST").fetchall()

    def snapshots(self) -> int:
        """How many snapshots the table has."""
        with self.table() as table:
            return len(table.metadata.snapshots)


def committed(table: OfflineTable) -> pl.DataFrame:
    """All rows of a Delta table, in the order of all its columns."""
    rows = table.snapshot().scan().collect()
    return rows.sort(rows.columns)


def assert_mirrored(mirror: Mirror, table: OfflineTable) -> None:
    """Both readers see the rows of the Delta table, and the files of its newest version alone."""
    expected = committed(table)
    read = mirror.read().select(expected.columns)
    assert read.sort(read.columns).equals(expected)
    assert mirror.duckdb_rows(expected.columns) == expected.rows()
    assert mirror.files() == set(table.snapshot().files())


def _frame(table: Table, row_filter: str, columns: Sequence[str]) -> pl.DataFrame:
    rows = table.scan(row_filter=row_filter, selected_fields=tuple(columns)).to_arrow()
    frame = pl.DataFrame(rows)
    return frame.sort(frame.columns)
