"""Polars types and the contract's types, one to one; what has no counterpart is refused."""

from collections.abc import Mapping

import polars as pl
from polars.datatypes import DataTypeClass

from ...contract.feature_group import DType

_POLARS: dict[DType, pl.DataType] = {
    DType.BOOL: pl.Boolean(),
    DType.INT32: pl.Int32(),
    DType.INT64: pl.Int64(),
    DType.FLOAT32: pl.Float32(),
    DType.FLOAT64: pl.Float64(),
    DType.STRING: pl.String(),
    DType.BYTES: pl.Binary(),
    DType.DATE: pl.Date(),
    DType.TIMESTAMP: pl.Datetime("us", "UTC"),
    DType.FLOAT32_LIST: pl.List(pl.Float32()),
    DType.FLOAT64_LIST: pl.List(pl.Float64()),
    DType.INT64_LIST: pl.List(pl.Int64()),
}
_CONTRACT: dict[pl.DataType, DType] = {ours: dtype for dtype, ours in _POLARS.items()}

_FLAT = (
    pl.Boolean(),
    pl.Int8(),
    pl.Int16(),
    pl.Int32(),
    pl.Int64(),
    pl.Float32(),
    pl.Float64(),
    pl.String(),
    pl.Binary(),
    pl.Date(),
)
_REMEDIES: Mapping[DataTypeClass, str] = {
    pl.UInt8: "cast to Int32",
    pl.UInt16: "cast to Int32",
    pl.UInt32: "cast to Int64",
    pl.UInt64: "cast to Int64 (checked), or to String when values exceed 2^63",
    pl.Int8: "cast to Int32",
    pl.Int16: "cast to Int32",
    pl.Int128: "cast to Int64 (checked), or to String",
    pl.Categorical: "cast to String",
    pl.Enum: "cast to String",
    pl.Datetime: 'cast to Datetime("us", "UTC") (a naive one: dt.replace_time_zone("UTC") first)',
    pl.Time: "cast to Int64 microseconds",
    pl.Duration: "cast to Int64 microseconds",
    pl.Array: "cast to a List of the same inner type",
    pl.Decimal: "cast to Float64, or to Int64 of the smallest unit",
    pl.Struct: "unnest it into one feature per field",
    pl.Null: "cast to the type that the values will have",
}


def contract_dtype(dtype: pl.DataType | type[pl.DataType]) -> DType:
    """The contract's type for a polars type.

    Raises:
        ValueError: No feature can have this type; the message says what to cast it to.
    """
    instance = _instance(dtype)
    found = None if instance is None else _CONTRACT.get(instance)
    if found is None:
        msg = f"{dtype} is no type of a feature; {_remedy(dtype)}"
        raise ValueError(msg)
    return found


def polars_dtype(dtype: DType) -> pl.DataType:
    """The polars type in which values of a contract type are computed and stored."""
    return _POLARS[dtype]


def refusal_by_delta(dtype: pl.DataType | DataTypeClass) -> str | None:
    """Why a Delta table cannot hold this type as it is, and what to do; `None` when it can.

    Delta has no unsigned integers, no categories and no time unit but microseconds: delta-rs would
    cast silently.
    """
    if isinstance(dtype, pl.List):
        return refusal_by_delta(dtype.inner)
    if isinstance(dtype, pl.Struct):
        refusals = (refusal_by_delta(field.dtype) for field in dtype.fields)
        return next((refusal for refusal in refusals if refusal), None)
    if (
        _instance(dtype) in _FLAT
        or dtype == pl.Datetime("us", "UTC")
        or isinstance(dtype, pl.Decimal)
    ):
        return None
    return f"{dtype} cannot be stored in Delta as it is; {_remedy(dtype)}"


def _instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType | None:
    # A bare `pl.Datetime` or `pl.List` names a family, not a type: it has no single counterpart.
    if isinstance(dtype, pl.DataType):
        return dtype
    return next((known for known in _FLAT if type(known) is dtype), None)


def _remedy(dtype: pl.DataType | DataTypeClass) -> str:
    if isinstance(dtype, pl.List) or dtype is pl.List:
        return "lists hold Float32, Float64 or Int64: cast the inner type"
    family = dtype if isinstance(dtype, type) else type(dtype)
    return _REMEDIES.get(family, f"use one of {', '.join(str(known) for known in _CONTRACT)}")
