from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.errors import ColumnMismatchError
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    Online,
)
from headrace.contract.keys import KeyValue, entity_encoder, group_prefix, online_key
from headrace.contract.rows import Row, RowCodec, Value, to_microseconds
from headrace.resources.offline.commit_log import Commit
from headrace.resources.offline.dtypes import polars_dtype
from headrace.resources.online.row_encoding import encode_keys, encode_values
from headrace.tests.contract.strategies import INSTANTS, entities, key_values_of, schemas, values_of


def commit_of(version: int, generation: int) -> Commit:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Commit("2026-01-01", generation, version, 0, "", now, "", "", {})


def group_of(entity: EntitySpec, features: tuple[FeatureSpec, ...]) -> FeatureGroupSpec:
    return FeatureGroupSpec(
        "group", 1, entity, features, None, Online.UPSERT, ("team:test",), "DAILY"
    )


@st.composite
def rows(
    draw: st.DrawFn,
) -> tuple[FeatureGroupSpec, list[tuple[tuple[KeyValue, ...], datetime, tuple[Value, ...]]]]:
    entity, schema = draw(entities()), draw(schemas())
    row = st.tuples(key_values_of(entity), INSTANTS, values_of(schema))
    return group_of(entity, schema), draw(st.lists(row, max_size=5))


@given(rows(), st.integers(0, 2**40), st.integers(1, 2**32 - 1))
def test_columns_encode_to_the_bytes_that_rows_encode_to(
    drawn: tuple[FeatureGroupSpec, list[tuple[tuple[KeyValue, ...], datetime, tuple[Value, ...]]]],
    version: int,
    generation: int,
) -> None:
    group, table = drawn
    names = [*group.entity.key_names, "event_timestamp", *(f.name for f in group.features)]
    dtypes = [
        *(polars_dtype(key.dtype) for key in group.entity.join_keys),
        pl.Datetime("us", "UTC"),
        *(polars_dtype(feature.dtype) for feature in group.features),
    ]
    frame = pl.DataFrame(
        [(*key, at, *values) for key, at, values in table],
        schema=dict(zip(names, dtypes, strict=True)),
        orient="row",
    )
    codec, prefix, entity = (
        RowCodec(group.features, 0),
        group_prefix(7),
        entity_encoder(group.entity),
    )

    got = (
        list(encode_keys(group, 7, frame)),
        list(encode_values(group, frame, commit_of(version, generation))),
    )

    assert got == (
        [online_key(prefix, entity(key)) for key, _, _ in table],
        [
            codec.encode(Row(to_microseconds(at), generation, version, values))
            for _, at, values in table
        ],
    )


def test_a_null_inside_a_list_is_refused() -> None:
    features = (FeatureSpec("shares", DType.FLOAT64_LIST),)
    frame = pl.DataFrame(
        {"event_timestamp": [datetime(2026, 1, 1, tzinfo=UTC)], "shares": [[1.0, None]]}
    ).with_columns(pl.col("event_timestamp").cast(pl.Datetime("us", "UTC")))

    with pytest.raises(ColumnMismatchError, match="'shares': a list holds a null"):
        encode_values(group_of(EntitySpec("entity", ()), features), frame, commit_of(1, 1))
