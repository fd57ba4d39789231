"""Frames in, frames out: the offline store for assets that Dagster knows without a declaration.

It is dagster-deltalake's IO manager with another type handler and other addresses. The stock
handler overwrites whole tables when it cannot build a predicate, and loads one day of a window.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import dagster as dg
import polars as pl
from dagster._core.storage.db_io_manager import DbIOManager, DbTypeHandler, TableSlice
from dagster_deltalake import LocalConfig
from dagster_deltalake.io_manager import DeltaLakeDbClient, DeltaLakeIOManager

from ...contract.errors import InvalidArgumentError
from .frame_slices import slices
from .offline_store import OfflineStore
from .offline_table import Computation, OfflineTable
from .table_spec import TableKind, TableSpec

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

_VERSIONED = re.compile(r"(?P<name>.+)_v(?P<version>[0-9]+)")
_WRITABLE = frozenset({TableKind.PLAIN, TableKind.TRAINING_SET})


class FrameIOManager(DeltaLakeIOManager):
    """Loads upstream tables as polars frames, and stores the frames that assets return.

    An input is the upstream's committed rows of the partitions that the run maps to, at one
    version, as `pl.LazyFrame` (the default) or `pl.DataFrame`, whichever the parameter says; the
    input's metadata `columns` selects some. `sources/x`, `dimensions/x`, `offline/group` and
    `training_sets/x` are the tables of the declarations; any other key lies under `assets/`.

    An output replaces exactly the partitions of its run. A run of several partitions has to say by
    the asset's metadata `partition_expr` which column tells them apart: an instant or a date for
    partitions in time, the key otherwise.
    """

    @classmethod
    def of(cls, store: OfflineStore) -> "FrameIOManager":
        """The IO manager of a store whose credentials, if any, stand in the environment."""
        return cls(root_uri=store.root, storage_options=LocalConfig())

    @staticmethod
    def type_handlers() -> Sequence[DbTypeHandler]:
        """None that could be made without a store; see `create_io_manager`."""
        return []

    def create_io_manager(self, context: dg.InitResourceContext) -> DbIOManager:  # noqa: ARG002
        """Open the store; its tables' logs are kept for as long as the resource lives."""
        options: dict[str, str] = {}
        for part in (self.storage_options, self.client_options):
            given = {} if part is None else part.model_dump(exclude_none=True, exclude={"provider"})
            options.update({name: str(value) for name, value in given.items()})
        return _FrameDbIOManager(
            db_client=DeltaLakeDbClient(),
            database="headrace",
            type_handlers=[_FrameHandler(OfflineStore(self.root_uri, options))],
            io_manager_name="FrameIOManager",
            default_load_type=pl.LazyFrame,
        )


class _FrameDbIOManager(DbIOManager):
    """Names tables by asset keys; partitions are known by key, not by a predicate on a column."""

    def _get_table_slice(
        self, context: dg.OutputContext | dg.InputContext, output_context: dg.OutputContext
    ) -> TableSlice:
        path = context.asset_key.path if context.has_asset_key else [output_context.name]
        return TableSlice(
            table=path[-1],
            schema="/".join(path[:-1]),
            columns=(context.definition_metadata or {}).get("columns"),
        )


class _FrameHandler(DbTypeHandler[Frame]):
    """Reads and writes through the offline store."""

    def __init__(self, store: OfflineStore) -> None:
        self._store = store

    @property
    def supported_types(self) -> Sequence[type[object]]:
        return [pl.DataFrame, pl.LazyFrame]

    def load_input(
        self,
        context: dg.InputContext,
        table_slice: TableSlice,
        connection: object,  # noqa: ARG002
    ) -> Frame:
        kind, name, version = _address(table_slice)
        table = self._store.stored_table(kind, name, version)
        if table is None:
            path = TableSpec.path_of(kind, name, version)
            raise InvalidArgumentError(
                argument=f"input {context.name!r}",
                problem=f"nothing was ever committed to {self._store.root}/{path}",
                remedy="materialize the upstream asset first",
            )
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else None
        snapshot = table.snapshot()
        rows = snapshot.scan(keys)
        if table_slice.columns is not None:
            rows = rows.select(table_slice.columns)
        if context.dagster_type.typing_type is pl.DataFrame:
            return rows.collect()
        return rows

    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: Frame,
        connection: object,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        kind, name, version = _address(table_slice)
        if kind not in _WRITABLE:
            raise InvalidArgumentError(
                argument=f"asset {'/'.join(context.asset_key.path)!r}",
                problem=f"{kind} hold what is declared with checks and partitions",
                remedy="declare it (headrace.assets.authoring), or choose another key prefix",
            )
        rows = obj.collect() if isinstance(obj, pl.LazyFrame) else obj
        stored = self._store.stored_table(kind, name, version)
        parts, partitioning = slices(context, rows)
        spec = TableSpec(
            kind=kind,
            name=name,
            version=version,
            columns=tuple(rows.schema.items()),
            partitioning=partitioning if stored is None else stored.spec.partitioning,
            event_timestamp=None,
            stamped_at_end=False,
            key=(),
        )
        return _written(self._store.table(spec), parts, context)


def _written(
    table: OfflineTable, parts: Mapping[str, pl.DataFrame], context: dg.OutputContext
) -> Mapping[str, Any]:
    # An asset without a declaration has no identity of inputs: each run computes it anew.
    computations = [
        Computation(partition, rows, uuid.uuid4().hex, {}) for partition, rows in parts.items()
    ]
    commits = table.commit_all(computations, run_id=context.run_id, code_version="")
    is_partitioned = table.spec.partitioning is not None
    columns = [dg.TableColumn(name, type=str(dtype)) for name, dtype in table.spec.columns]
    return {
        f"dagster/{'partition_' if is_partitioned else ''}row_count": sum(
            commit.rows for commit in commits
        ),
        "dagster/uri": table.uri,
        "dagster/column_schema": dg.TableSchema(columns),
        "table_version": max(commit.version for commit in commits),
    }


def _address(table_slice: TableSlice) -> tuple[TableKind, str, int]:
    """Kind, name and version of the table that an asset key stands for."""
    folder, name = table_slice.schema, table_slice.table
    if folder == "offline":
        match = _VERSIONED.fullmatch(name)
        return (
            (TableKind.FEATURES, match["name"], int(match["version"]))
            if match
            else (TableKind.FEATURES, name, 1)
        )
    if folder in {TableKind.SOURCE, TableKind.DIMENSION, TableKind.TRAINING_SET}:
        return TableKind(folder), name, 1
    return TableKind.PLAIN, f"{folder}/{name}".lstrip("/"), 1
