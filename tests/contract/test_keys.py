from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.errors import InvalidEntityError
from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.contract.keys import (
    ENTITY_AT,
    KeyValue,
    entity_decoder,
    entity_encoder,
    group_prefix,
    online_key,
)
from headrace.tests.contract.strategies import entities, key_values_of

HOUSEHOLD = EntitySpec("household", (JoinKey("household_id", DType.INT64),))
TWO_STRINGS = EntitySpec("pair", (JoinKey("a", DType.STRING), JoinKey("b", DType.STRING)))


def key(group_id: int, entity: EntitySpec, values: tuple[KeyValue, ...]) -> bytes:
    return online_key(group_prefix(group_id), entity_encoder(entity)(values))


@given(st.data(), entities(), st.integers(1, 2**16 - 1), st.integers(1, 2**16 - 1))
def test_two_keys_are_equal_exactly_when_group_id_and_entity_are(
    data: st.DataObject, entity: EntitySpec, one: int, other: int
) -> None:
    """The id fixes the types, so this says it for namespaces, groups, versions and types."""
    first = data.draw(key_values_of(entity))
    second = data.draw(key_values_of(entity) | st.just(first))

    same_key = key(one, entity, first) == key(other, entity, second)

    assert same_key == ((one, first) == (other, second))


@given(st.data(), entities(), st.integers(1, 2**16 - 1))
def test_the_entity_can_be_read_back_from_its_key(
    data: st.DataObject, entity: EntitySpec, group_id: int
) -> None:
    values = data.draw(key_values_of(entity))

    assert entity_decoder(entity)(key(group_id, entity, values)[ENTITY_AT:]) == values


@given(st.data(), entities(), entities(), st.integers(1, 2**16 - 2))
def test_keys_of_groups_with_other_join_key_types_never_meet(
    data: st.DataObject, one: EntitySpec, other: EntitySpec, group_id: int
) -> None:
    first = key(group_id, one, data.draw(key_values_of(one)))
    second = key(group_id + 1, other, data.draw(key_values_of(other)))

    assert first != second


@given(st.data(), entities(), st.integers(1, 2**16 - 1), st.integers(1, 2**16 - 1))
def test_all_groups_of_an_entity_share_one_safe_hash_tag(
    data: st.DataObject, entity: EntitySpec, one: int, other: int
) -> None:
    values = data.draw(key_values_of(entity))

    tags = {key(one, entity, values)[:4], key(other, entity, values)[:4]}

    assert len(tags) == 1
    (tag,) = tags
    assert tag[:1] == b"{"
    assert tag[3:] == b"}"
    assert b"}" not in tag[1:3]


def test_an_integer_entity_takes_fourteen_bytes() -> None:
    assert len(key(7, HOUSEHOLD, (1,))) == 14


def test_the_boundary_between_strings_is_part_of_the_key() -> None:
    assert key(1, TWO_STRINGS, ("ab", "c")) != key(1, TWO_STRINGS, ("a", "bc"))


def test_a_key_never_begins_like_the_names_beside_the_rows() -> None:
    assert not key(1, HOUSEHOLD, (1,)).startswith(b"headrace")


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (DType.INT64, "1"),
        (DType.INT64, True),
        (DType.INT64, 1.0),
        (DType.INT64, 2**63),
        (DType.INT32, 2**31),
        (DType.STRING, 1),
        (DType.STRING, "\ud800"),
        (DType.BYTES, "text"),
        (DType.DATE, 17_000),
    ],
)
def test_a_value_of_another_type_or_out_of_range_is_refused(dtype: DType, value: KeyValue) -> None:
    encode = entity_encoder(EntitySpec("household", (JoinKey("household_id", dtype),)))

    with pytest.raises(InvalidEntityError, match=f"'household_id': expected {dtype.name}"):
        encode((value,))


def test_a_date_is_counted_in_days() -> None:
    entity = EntitySpec("day", (JoinKey("day", DType.DATE),))

    assert entity_encoder(entity)((date(1970, 1, 3),)) == (2).to_bytes(8, "big")


@pytest.mark.parametrize("group_id", [0, -1, 2**16])
def test_a_group_id_outside_two_bytes_is_refused(group_id: int) -> None:
    with pytest.raises(ValueError, match="a group id lies in 1"):
        group_prefix(group_id)
