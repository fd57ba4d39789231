import polars as pl
import pytest

from headrace.contract.feature_group import DType
from headrace.resources.offline.dtypes import contract_dtype, polars_dtype, refusal_by_delta


@pytest.mark.parametrize("dtype", DType)
def test_every_contract_type_has_one_polars_type_and_back(dtype: DType) -> None:
    assert contract_dtype(polars_dtype(dtype)) is dtype


@pytest.mark.parametrize("dtype", DType)
def test_delta_holds_every_contract_type_as_it_is(dtype: DType) -> None:
    assert refusal_by_delta(polars_dtype(dtype)) is None


def test_a_bare_class_is_taken_for_its_only_instance() -> None:
    assert contract_dtype(pl.Float32) is DType.FLOAT32


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        (pl.UInt32, "cast to Int64"),
        (pl.Categorical, "cast to String"),
        (pl.Enum(["a"]), "cast to String"),
        (pl.Datetime, 'cast to Datetime("us", "UTC")'),
        (pl.Datetime("ns", "UTC"), 'cast to Datetime("us", "UTC")'),
        (pl.Datetime("us"), 'dt.replace_time_zone("UTC")'),
        (pl.Datetime("us", "Europe/Berlin"), 'cast to Datetime("us", "UTC")'),
        (pl.List(pl.String), "cast the inner type"),
        (pl.Array(pl.Float32, 3), "cast to a List"),
        (pl.Struct({"a": pl.Int64}), "unnest"),
        (pl.Decimal(10, 2), "cast to Float64"),
        (pl.Null, "cast to the type"),
        (pl.Object, "use one of Boolean"),
    ],
)
def test_a_type_without_a_counterpart_is_refused_with_what_to_do(
    dtype: pl.DataType, remedy: str
) -> None:
    with pytest.raises(ValueError, match="is no type of a feature") as refusal:
        contract_dtype(dtype)

    assert remedy in str(refusal.value)


@pytest.mark.parametrize(
    "dtype",
    [pl.Int8(), pl.Decimal(10, 2), pl.List(pl.String()), pl.Struct({"a": pl.List(pl.Date())})],
)
def test_delta_holds_more_than_features_may_be(dtype: pl.DataType) -> None:
    assert refusal_by_delta(dtype) is None


@pytest.mark.parametrize(
    "dtype",
    [
        pl.UInt8(),
        pl.Categorical(),
        pl.Datetime("ns", "UTC"),
        pl.Datetime("us"),
        pl.List(pl.UInt32()),
        pl.Struct({"a": pl.Int64(), "b": pl.Duration()}),
    ],
)
def test_what_delta_would_cast_silently_is_refused(dtype: pl.DataType) -> None:
    refusal = refusal_by_delta(dtype)

    assert refusal is not None
    assert "cannot be stored in Delta as it is; " in refusal
