from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.keys import (
    ENTITY_AT,
    entity_decoder,
    entity_encoder,
    group_prefix,
    online_key,
)
from headrace.tests.contract.strategies import entities, key_values_of


@given(st.data(), st.integers(1, 2**16 - 1))
def test_an_online_key_gives_back_the_join_key_values(data: st.DataObject, group_id: int) -> None:
    entity = data.draw(entities())
    values = data.draw(key_values_of(entity))
    key = online_key(group_prefix(group_id), entity_encoder(entity)(values))

    assert entity_decoder(entity)(key[ENTITY_AT:]) == values
