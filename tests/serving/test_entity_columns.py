from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.contract.errors import InvalidArgumentError, InvalidEntityError
from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.entity_columns import Entities, entity_columns, typed_columns
from headrace.tests.serving.publishing import HOUSEHOLD, VISIT


def entity(dtype: DType) -> EntitySpec:
    return EntitySpec("thing", (JoinKey("key", dtype),))


@pytest.mark.parametrize(
    "column",
    [
        [1, 2],
        (1, 2),
        range(1, 3),
        np.array([1, 2], np.int32),
        [np.int64(1), np.uint8(2)],
        pl.Series([1, 2]),
        pl.Series([1, 2], dtype=pl.Int32),
        pa.array([1, 2]),
        pa.chunked_array([[1], [2]]),
        pd.Series([1, 2]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Index([1, 2]),
        {1: "one", 2: "two"}.keys(),
    ],
)
def test_any_column_of_integers_will_do(column: Entities) -> None:
    columns = typed_columns({"household_id": column}, [HOUSEHOLD])

    assert columns == {"household_id": [1, 2]}
    assert {type(value) for value in columns["household_id"]} == {int}


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (DType.INT32, 2**31),
        (DType.INT32, -(2**31) - 1),
        (DType.INT64, 2**63),
        (DType.INT64, True),
        (DType.INT64, 1.0),
        (DType.INT64, np.float64(1)),
        (DType.INT64, "1"),
        (DType.INT64, None),
        (DType.STRING, 1),
        (DType.STRING, b"a"),
        (DType.STRING, "\ud800"),
        (DType.BYTES, "a"),
        (DType.DATE, datetime(2018, 1, 2, tzinfo=UTC)),
        (DType.DATE, "2018-01-02"),
    ],
)
def test_a_value_of_another_type_is_refused(dtype: DType, value: object) -> None:
    with pytest.raises(InvalidEntityError) as refused:
        typed_columns({"key": [value]}, [entity(dtype)])

    assert (refused.value.join_key, refused.value.expected) == ("key", dtype.name)


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ({}, "entity 'household', join key 'household_id': expected INT64, got nothing"),
        ({"household_id": "12"}, "expected a list of INT64, got '12' (str)"),
        ({"household_id": 1}, "expected a list of INT64, got 1 (int)"),
        ({"household_id": np.int64(1)}, "expected a list of INT64, got np.int64(1) (int64)"),
        ({"household_id": np.array("12")}, "expected a list of INT64, got array('12'"),
        ({"household_id": {"a": 1}}, "expected a list of INT64, got {'a': 1} (dict)"),
    ],
)
def test_what_is_no_column_is_refused(entities: Entities, message: str) -> None:
    with pytest.raises(InvalidEntityError) as refused:
        typed_columns(entities, [HOUSEHOLD])

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("entities", "problem"),
    [
        ({"household_id": [1], "store": ["a"]}, "'store' is no join key of what is asked for"),
        (
            {"household_id": [1, 2], "store_id": ["a"]},
            "the columns differ in length (household_id: 2, store_id: 1)",
        ),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(entities: Entities, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        typed_columns(entities, [VISIT])

    assert refused.value.problem == problem


def test_join_keys_of_several_entities_are_one_set_of_columns() -> None:
    columns = typed_columns({"store_id": ["a"], "household_id": [1]}, [HOUSEHOLD, VISIT])

    assert columns == {"household_id": [1], "store_id": ["a"]}


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([-1, 2**63 - 1], pb.EntityColumn(int64_values=pb.Int64Values(values=[-1, 2**63 - 1]))),
        (["a", ""], pb.EntityColumn(string_values=pb.StringValues(values=["a", ""]))),
        ([b"\xff"], pb.EntityColumn(bytes_values=pb.BytesValues(values=[b"\xff"]))),
        (
            [date(1969, 12, 31), date(1970, 1, 2)],
            pb.EntityColumn(int64_values=pb.Int64Values(values=[-1, 1])),
        ),
        ([], pb.EntityColumn(int64_values=pb.Int64Values())),
    ],
)
def test_columns_travel_by_their_type(
    column: list[int] | list[str], message: pb.EntityColumn
) -> None:
    message.join_key = "key"

    assert entity_columns({"key": column}) == [message]


def test_a_table_with_named_columns_will_do() -> None:
    frame = pd.DataFrame({"household_id": [1, 2]})

    assert typed_columns(frame, [HOUSEHOLD]) == {"household_id": [1, 2]}


def test_rows_where_columns_belong_are_refused_in_words() -> None:
    rows: Any = [{"household_id": 1}]

    with pytest.raises(InvalidArgumentError, match="entities: it is a list; give one column per"):
        typed_columns(rows, [HOUSEHOLD])
