"""Hypothesis strategies for what the contract speaks of."""

from datetime import UTC, date, datetime

from hypothesis import strategies as st

from headrace.contract.feature_group import (
    JOIN_KEY_DTYPES,
    DType,
    EntitySpec,
    FeatureSpec,
    JoinKey,
)
from headrace.contract.keys import KeyValue
from headrace.contract.rows import Value

_int64 = st.integers(-(2**63), 2**63 - 1)
_float32 = st.floats(width=32)

VALUES: dict[DType, st.SearchStrategy[Value]] = {
    DType.BOOL: st.booleans(),
    DType.INT32: st.integers(-(2**31), 2**31 - 1),
    DType.INT64: _int64,
    DType.FLOAT32: _float32,
    DType.FLOAT64: st.floats(),
    DType.STRING: st.text(),
    DType.BYTES: st.binary(),
    DType.DATE: st.dates(),
    DType.TIMESTAMP: st.datetimes(timezones=st.just(UTC)),
    DType.FLOAT32_LIST: st.lists(_float32, max_size=4),
    DType.FLOAT64_LIST: st.lists(st.floats(), max_size=4),
    DType.INT64_LIST: st.lists(_int64, max_size=4),
}

_KEY_VALUES: dict[DType, st.SearchStrategy[KeyValue]] = {
    DType.INT32: st.integers(-(2**31), 2**31 - 1),
    DType.INT64: _int64,
    DType.STRING: st.text(max_size=6),
    DType.BYTES: st.binary(max_size=6),
    DType.DATE: st.dates(date(1, 1, 1), date(9999, 12, 31)),
}


@st.composite
def schemas(draw: st.DrawFn) -> tuple[FeatureSpec, ...]:
    """A schema of one to ten features of any types."""
    dtypes = draw(st.lists(st.sampled_from(DType), min_size=1, max_size=10))
    return tuple(
        FeatureSpec(f"f{index}", dtype, nullable=True) for index, dtype in enumerate(dtypes)
    )


@st.composite
def values_of(draw: st.DrawFn, schema: tuple[FeatureSpec, ...]) -> tuple[Value, ...]:
    """One value, or null, for each feature of a schema."""
    return tuple(draw(st.none() | VALUES[feature.dtype]) for feature in schema)


@st.composite
def entities(draw: st.DrawFn) -> EntitySpec:
    """An entity of one to three join keys of any types that may identify."""
    dtypes = draw(st.lists(st.sampled_from(sorted(JOIN_KEY_DTYPES)), min_size=1, max_size=3))
    keys = tuple(JoinKey(f"k{index}", dtype) for index, dtype in enumerate(dtypes))
    return EntitySpec("entity", keys)


@st.composite
def key_values_of(draw: st.DrawFn, entity: EntitySpec) -> tuple[KeyValue, ...]:
    """Values for the join keys of an entity."""
    return tuple(draw(_KEY_VALUES[key.dtype]) for key in entity.join_keys)


INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis takes naive bounds and adds the zone
