"""How a declared table may differ from the stored one: by further nullable columns, no more.

Readers of any version, online rows and models rely on the rest; so every other change is a new
version of the group, which is computed and served beside the old one.
"""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
from deltalake import DeltaTable

from ...contract.document import decode_document
from ...contract.errors import SchemaChangeError
from ...contract.feature_group import FeatureGroupSpec, Online
from .table_spec import BUCKET_COLUMN, BUCKETS, TableKind, TableSpec

_NARROWER: Mapping[pl.DataType, tuple[pl.DataType, ...]] = {
    pl.Int64(): (pl.Int32(), pl.Int16(), pl.Int8()),
    pl.Int32(): (pl.Int16(), pl.Int8()),
    pl.Int16(): (pl.Int8(),),
    pl.Float64(): (pl.Float32(),),
    pl.List(pl.Float64()): (pl.List(pl.Float32()),),
    pl.Datetime("us", "UTC"): (pl.Date(),),
}


def check(spec: TableSpec, table: DeltaTable, document: bytes | None) -> None:
    """Compare the stored table with the declared one.

    Args:
        spec: The table as declared.
        table: The table as stored.
        document: The group's document under which it was last committed to.

    Raises:
        SchemaChangeError: A column is gone, renamed, retyped, or new without being nullable; a
            feature may no longer be null; or the entity, the partitions, the number of entity
            buckets or the online semantics change in what they mean for stored rows.
    """
    if document == spec.document and _is_as_declared(spec, table):
        return
    before = None if document is None else decode_document(document)
    after = None if spec.document is None else decode_document(spec.document)
    changes = [
        *_layout_changes(spec, table),
        *_column_changes(spec, table, before, after),
        *(_group_changes(before, after) if before and after else ()),
    ]
    if changes:
        is_group = spec.kind is TableKind.FEATURES
        raise SchemaChangeError(
            table=spec.path, changes=changes, next_version=spec.version + 1 if is_group else None
        )


def _is_as_declared(spec: TableSpec, table: DeltaTable) -> bool:
    buckets = table.metadata().configuration.get(BUCKETS, str(spec.buckets))
    return pl.Schema(table.schema()) == spec.stored_schema and buckets == str(spec.buckets)


def _layout_changes(spec: TableSpec, table: DeltaTable) -> Iterator[str]:
    metadata = table.metadata()
    stored, declared = (
        [column for column in columns if column != BUCKET_COLUMN]
        for columns in (metadata.partition_columns, spec.partition_columns)
    )
    if stored != declared:
        yield f"partitions change from {_shown(stored)} to {_shown(declared)}"
    buckets = metadata.configuration.get(BUCKETS, str(spec.buckets))
    if buckets != str(spec.buckets):
        yield f"entity buckets change from {buckets} to {spec.buckets}"


def _column_changes(
    spec: TableSpec,
    table: DeltaTable,
    before: FeatureGroupSpec | None,
    after: FeatureGroupSpec | None,
) -> Iterator[str]:
    copies = table.metadata().partition_columns
    stored = {
        name: dtype for name, dtype in pl.Schema(table.schema()).items() if name not in copies
    }
    declared = spec.schema
    new = {name: dtype for name, dtype in declared.items() if name not in stored}
    for name, dtype in stored.items():
        if name not in declared:
            yield _removal(name, dtype, new)
        elif declared[name] != dtype:
            yield _retyping(name, dtype, declared[name])
    required = {*spec.key, spec.event_timestamp} | _not_nullable(after)
    yield from (f"column {name!r} is new but not nullable" for name in new if name in required)
    yield from (
        f"column {name!r} may no longer be null, but stored rows may hold nulls"
        for name in declared
        if name in stored and name in _not_nullable(after) and name in _nullable(before)
    )


def _removal(name: str, dtype: pl.DataType, new: Mapping[str, pl.DataType]) -> str:
    alike = [other for other, found in new.items() if found == dtype]
    if alike:
        return (
            f"column {name!r} is gone and {alike[0]!r} is new with the same type, which looks like"
            f" a rename (keep {name!r}, or add {alike[0]!r} beside it as nullable)"
        )
    return f"column {name!r} is gone"


def _retyping(name: str, stored: pl.DataType, declared: pl.DataType) -> str:
    change = f"column {name!r} changes from {stored} to {declared}"
    if declared in _NARROWER.get(stored, ()):
        return f"{change}, which is narrower: values would be cut"
    return change


def _group_changes(before: FeatureGroupSpec, after: FeatureGroupSpec) -> Iterator[str]:
    if before.entity != after.entity:
        yield f"the entity changes from {_entity(before)} to {_entity(after)}"
    if (before.online is Online.UPSERT) != (after.online is Online.UPSERT):
        # Without a publication rows are stamped as those of snapshots are.
        yield f"online semantics change from {_semantics(before)} to {_semantics(after)}"


def _entity(group: FeatureGroupSpec) -> str:
    keys = ", ".join(f"{key.name}: {key.dtype.name}" for key in group.entity.join_keys)
    return f"{group.entity.name}({keys})"


def _semantics(group: FeatureGroupSpec) -> str:
    return "none" if group.online is None else group.online.value


def _not_nullable(group: FeatureGroupSpec | None) -> set[str | None]:
    features = () if group is None else group.features
    return {feature.name for feature in features if not feature.nullable}


def _nullable(group: FeatureGroupSpec | None) -> set[str]:
    features = () if group is None else group.features
    return {feature.name for feature in features if feature.nullable}


def _shown(columns: Sequence[str]) -> str:
    return ", ".join(columns) or "none"
