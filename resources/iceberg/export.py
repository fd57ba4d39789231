"""A feature group's Delta table, mirrored in an Iceberg catalog: the same files under two logs.

No row is copied. An export compares the files of the newest Delta version with those of the Iceberg
table and registers what came and went in one Iceberg commit, so readers see one committed state of
the group or another. Corrections, retractions and compactions are files that came and went.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, TableProperties, Transaction

from ...contract.document import decode_document
from ...contract.errors import (
    CommitConflictError,
    InputNotCommittedError,
    StoreUnavailableError,
)
from ..offline.offline_store import OfflineStore
from ..offline.offline_table import TableSnapshot
from ..offline.table_spec import TableKind
from .catalog import NAME, file_address
from .data_files import data_files
from .schemas import iceberg_partitions, iceberg_schema, iceberg_type

DELTA_VERSION = "headrace.delta-version"
"""The property of table and snapshot that says which Delta version they show."""
DELTA_TABLE = "headrace.delta-table"
"""The table property that names the Delta table by its id."""

_ATTEMPTS = 5
_PROPERTIES = {
    # pyiceberg would put the same changes on top of those of another export, which made them, too:
    # after a conflict they are found anew.
    TableProperties.COMMIT_NUM_RETRIES: "0",
    # Each export writes one metadata file; old ones serve nobody.
    TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED: "true",
    TableProperties.METADATA_PREVIOUS_VERSIONS_MAX: "100",
}


@dataclass(frozen=True, slots=True)
class Export:
    """What an export came to.

    Attributes:
        table: The Iceberg table's name in the catalog.
        metadata: The address of its metadata, by which it can be read without the catalog.
        table_version: The Delta version that it shows now.
        snapshot_id: Its current snapshot; `None` while it never held a row.
        files: How many data files it has.
        rows: How many rows they hold.
        added: How many files this export registered.
        removed: How many it took out.
        columns: The columns that it added.
        no_op: Whether the table showed this version already, and nothing was written.
    """

    table: str
    metadata: str
    table_version: int
    snapshot_id: int | None
    files: int
    rows: int
    added: int = 0
    removed: int = 0
    columns: tuple[str, ...] = ()
    no_op: bool = False


def export_group(store: OfflineStore, catalog: Catalog, name: str, version: int = 1) -> Export:
    """Make the Iceberg table of a group's version show the newest Delta version.

    Atomic, and may be repeated: the same Delta version again writes nothing. Exports may run at the
    same time; the last one to commit shows what it read, or reads again.

    Raises:
        InputNotCommittedError: Nothing of the group was ever committed.
        CommitConflictError: Others went on changing the Iceberg table at the same time.
        StoreUnavailableError: The store or the catalog cannot be read or written.
    """
    asset = name if version == 1 else f"{name}_v{version}"
    identifier = f"{NAME}.{asset}"
    for _ in range(_ATTEMPTS):
        try:
            # The table before its source: what others exported is never newer than what we read.
            table = _existing(catalog, identifier)
            stored = store.stored_table(TableKind.FEATURES, name, version)
            if stored is None:
                raise InputNotCommittedError(
                    subject=f"iceberg/{asset}", partition="all", asset=f"offline/{asset}", absent=()
                )
            return _mirror(stored.snapshot(), table, catalog, identifier)
        except (CommitFailedException, TableAlreadyExistsError) as error:
            conflict = error
        except OSError as error:
            raise StoreUnavailableError(store=store.root, reason=str(error)) from error
    raise CommitConflictError(
        table=f"Iceberg table {identifier}", partition="all", reason=str(conflict)
    ) from conflict


def _mirror(
    snapshot: TableSnapshot, table: Table | None, catalog: Catalog, identifier: str
) -> Export:
    shown = {
        DELTA_VERSION: str(snapshot.version),
        DELTA_TABLE: str(snapshot.log.opened().metadata().id),
    }
    if table is not None and shown.items() <= table.properties.items():
        return _export(table, snapshot, no_op=True)
    registered = {} if table is None else _registered(table)
    committed = {file_address(uri) for uri in snapshot.files()}
    came = sorted(committed - registered.keys())
    gone = [registered[path] for path in sorted(registered.keys() - committed)]
    with _transaction(table, snapshot, catalog, identifier) as transaction:
        columns = _add_columns(transaction, snapshot)
        files = data_files(catalog.properties, transaction.table_metadata, came)
        if came or gone:
            showing = {DELTA_VERSION: shown[DELTA_VERSION]}
            with transaction.update_snapshot(snapshot_properties=showing).overwrite() as changes:
                for file in gone:
                    changes.delete_data_file(file)
                for file in files:
                    changes.append_data_file(file)
        transaction.set_properties(shown)
    return _export(
        catalog.load_table(identifier),
        snapshot,
        added=len(came),
        removed=len(gone),
        columns=() if table is None else columns,
    )


def _existing(catalog: Catalog, identifier: str) -> Table | None:
    try:
        return catalog.load_table(identifier)
    except NoSuchTableError:
        return None


def _registered(table: Table) -> Mapping[str, DataFile]:
    return {task.file.file_path: task.file for task in table.scan().plan_files()}


@contextmanager
def _transaction(
    table: Table | None, snapshot: TableSnapshot, catalog: Catalog, identifier: str
) -> Iterator[Transaction]:
    """One commit to the table; it is created by it if need be."""
    if table is None:
        document = snapshot.document
        group = None if document is None else decode_document(document)
        schema = iceberg_schema(snapshot.spec, group)
        transaction: Transaction = catalog.create_table_transaction(
            identifier,
            schema,
            partition_spec=iceberg_partitions(snapshot.spec, schema),
            properties=_PROPERTIES,
        )
    else:
        transaction = table.transaction()
    with transaction:
        if transaction.table_metadata.name_mapping() is None:
            # Delta's files have no field ids: columns are found by their names.
            mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
            transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})
        yield transaction


def _add_columns(transaction: Transaction, snapshot: TableSnapshot) -> tuple[str, ...]:
    """Add what features were added, behind the columns there are; nothing else ever changes."""
    known = transaction.table_metadata.schema().column_names
    new = [(name, dtype) for name, dtype in snapshot.spec.columns if name not in known]
    if new:
        with transaction.update_schema() as update:
            for name, dtype in new:
                update.add_column(name, iceberg_type(dtype, element_id=0))
    return tuple(name for name, _ in new)


def _export(table: Table, snapshot: TableSnapshot, **outcome: object) -> Export:
    current = table.current_snapshot()
    said = None if current is None else current.summary
    summary = {} if said is None else said.additional_properties
    return Export(
        table=".".join(table.name()),
        metadata=table.metadata_location,
        table_version=snapshot.version,
        snapshot_id=None if current is None else current.snapshot_id,
        files=int(summary.get("total-data-files", 0)),
        rows=int(summary.get("total-records", 0)),
        **outcome,  # type: ignore[arg-type]  # the fields with defaults
    )
