from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.cluster_slots import (
    SLOTS,
    is_guard,
    of_catalogue,
    of_primary,
    primary_tag,
    slot_of,
)
from headrace.contract.keys import TAGS, online_key
from headrace.contract.store_keys import catalogue_key, floor_key, manifest_key, watermark_key
from headrace.serving.store.slots import slot_map

REPLY = [
    [0, 99, [b"10.0.0.1", 1, b"a"], [b"10.0.0.2", 2, b"b"]],
    [5000, 16383, [None, 3, b"c"], [b"", 4, b"d"], [b"?", 5, b"e"]],
    [100, 4998, [b"10.0.0.1", 1, b"a"], [b"10.0.0.2", 2, b"b"]],
]


def test_a_map_has_the_primaries_with_their_ranges_and_replicas_as_the_node_told() -> None:
    slots = slot_map(REPLY, ("asked", 9))

    assert [primary.address for primary in slots.primaries] == [("10.0.0.1", 1), ("asked", 3)]
    assert [primary.replicas for primary in slots.primaries] == [
        (("10.0.0.2", 2),),
        (("asked", 4), ("asked", 5)),
    ]
    assert [primary.tag.decode() for primary in slots.primaries] == [
        primary_tag([(0, 4998)]),
        primary_tag([(5000, 16383)]),
    ]
    assert [slots.owners[slot] for slot in (0, 99, 100, 4998, 4999, 5000, 16383)] == [
        *(0, 0, 0, 0),
        None,
        *(1, 1),
    ]


@given(st.binary(max_size=20))
def test_the_owner_of_a_row_is_that_of_its_slot(entity: bytes) -> None:
    slots, key = slot_map(REPLY, ("asked", 9)), online_key(b"\0\1", entity)
    guard, pointer = floor_key("default", 7), catalogue_key("default")

    found = slots.by_owner([guard, pointer, key], [1, 2])

    owners = {1: slots.owners[slot_of(b"default")], 2: slots.owners[slot_of(key)]}
    assert found == {
        owner: [at for at in owners if owners[at] == owner] for owner in set(owners.values())
    }


@given(st.lists(st.integers(0, SLOTS - 1), min_size=2, max_size=2, unique=True))
def test_what_is_said_of_a_primary_lies_in_a_slot_of_its_own(ends: list[int]) -> None:
    first, last = sorted(ends)
    tag = primary_tag([(first, last)])
    if tag is None:
        assert not any(first <= slot_of(each) <= last for each in TAGS)
    else:
        name = of_primary(floor_key("default", 7), tag.encode())
        assert name.startswith(b"headrace:default{")
        assert name.endswith(b":floor:7")
        assert first <= slot_of(name) <= last
        assert tag != primary_tag([(first, last), (0, 0)])


def test_the_catalogue_lies_in_one_slot_whatever_the_digests() -> None:
    names = [catalogue_key("default"), manifest_key("default", "abc"), manifest_key("default", "d")]

    assert {slot_of(of_catalogue(name)) for name in names} == {slot_of(b"default")}
    assert of_catalogue(names[1]) == b"headrace:{default}:manifest:abc"
    assert [
        is_guard(each)
        for each in (
            *names,
            floor_key("default", 7),
            watermark_key("default", 7),
            b"{AB}\0\1:floor:",
        )
    ] == [
        *(False, False, False),
        *(True, True),
        False,
    ]
