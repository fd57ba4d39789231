import binascii

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from headrace.contract.errors import InvalidEntityError
from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.contract.keys import group_prefix, online_key
from headrace.resources.online.byte_column import ByteColumn
from headrace.resources.online.key_encoding import checksums, key_slots, online_keys


@given(st.lists(st.binary(max_size=6), max_size=80) | st.lists(st.binary(max_size=40), max_size=5))
def test_checksums_are_those_of_each_string(strings: list[bytes]) -> None:
    found = checksums(ByteColumn.of(strings))

    assert found.tolist() == [binascii.crc_hqx(string, 0) for string in strings]


@given(st.lists(st.binary(max_size=9), max_size=20), st.integers(1, 2**16 - 1))
def test_slots_are_those_of_the_cluster(entities: list[bytes], group_id: int) -> None:
    keys = [online_key(group_prefix(group_id), entity) for entity in entities]

    assert key_slots(ByteColumn.of(keys)).tolist() == [key_slot(key) for key in keys]


def test_a_join_key_that_is_null_is_named() -> None:
    entity = EntitySpec("card", (JoinKey("card_id", DType.STRING), JoinKey("year", DType.INT32)))
    frame = pl.DataFrame({"card_id": ["a"], "year": [None]}, schema_overrides={"year": pl.Int32})

    with pytest.raises(InvalidEntityError, match="'year'"):
        online_keys(entity, 1, frame)
