"""What an Iceberg table looks like that shows a feature group's Delta table."""

from collections.abc import Mapping

import polars as pl
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, HourTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from ...contract.feature_group import DType, FeatureGroupSpec
from ...contract.partitions import HOURLY
from ..offline.dtypes import contract_dtype
from ..offline.table_spec import EVENT_TIMESTAMP, TableSpec

_PARTITION_FIELD_ID = 1000
_PRIMITIVES: Mapping[DType, IcebergType] = {
    DType.BOOL: BooleanType(),
    DType.INT32: IntegerType(),
    DType.INT64: LongType(),
    DType.FLOAT32: FloatType(),
    DType.FLOAT64: DoubleType(),
    DType.STRING: StringType(),
    DType.BYTES: BinaryType(),
    DType.DATE: DateType(),
    DType.TIMESTAMP: TimestamptzType(),
}
_ELEMENTS: Mapping[DType, IcebergType] = {
    DType.FLOAT32_LIST: FloatType(),
    DType.FLOAT64_LIST: DoubleType(),
    DType.INT64_LIST: LongType(),
}


def iceberg_schema(spec: TableSpec, group: FeatureGroupSpec | None) -> Schema:
    """The real columns of a table, each with its feature's description.

    The partition columns are not among them: they do not stand in the files, and a reader may show
    them as null, or find nothing by them, without an error. All columns are optional, as they are
    in the files. Ids are for a new table; Iceberg assigns them itself when it takes a schema over.
    """
    described = {} if group is None else {each.name: each.description for each in group.features}
    # An element's id comes after those of all columns.
    return Schema(
        *(
            NestedField(
                position,
                name,
                iceberg_type(dtype, element_id=len(spec.columns) + position),
                required=False,
                doc=described.get(name) or None,
            )
            for position, (name, dtype) in enumerate(spec.columns, start=1)
        )
    )


def iceberg_type(dtype: pl.DataType, *, element_id: int) -> IcebergType:
    """The Iceberg type for a column of a feature table."""
    feature = contract_dtype(dtype)
    if feature in _ELEMENTS:
        return ListType(element_id, _ELEMENTS[feature], element_required=False)
    return _PRIMITIVES[feature]


def iceberg_partitions(spec: TableSpec, schema: Schema) -> PartitionSpec:
    """By day, or hour, of the event timestamp: one value for all rows of a partition of ours.

    Rows of a snapshot group bear their partition's end, those of an upsert group lie in it: either
    way a filter on `event_timestamp` finds the files that it needs by their partition alone.
    """
    is_hourly = spec.partitioning == HOURLY
    return PartitionSpec(
        PartitionField(
            source_id=schema.find_field(EVENT_TIMESTAMP).field_id,
            field_id=_PARTITION_FIELD_ID,
            transform=HourTransform() if is_hourly else DayTransform(),
            name=f"{EVENT_TIMESTAMP}_{'hour' if is_hourly else 'day'}",
        )
    )
