from itertools import product
from typing import TYPE_CHECKING

import pytest

from headrace.contract.catalogue import encode_manifest
from headrace.contract.document import digest
from headrace.contract.errors import CatalogueError, UnknownNameError
from headrace.contract.feature_group import DType
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.store_keys import catalogue_key, document_key, manifest_key
from headrace.serving.catalogue_reading import load
from headrace.serving.contracts import Snapshot
from headrace.tests.serving.answering import handler, read, request
from headrace.tests.serving.publishing import Memory, Publisher, group

if TYPE_CHECKING:
    from headrace.serving.reading import Keys


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture(autouse=True)
def publisher(memory: Memory) -> Publisher:
    publisher = Publisher(memory, "default")
    publisher.register(group())
    return publisher


def names(snapshot: Snapshot) -> list[str]:
    return [served.spec.reference for served in snapshot.every()]


def test_an_unchanged_catalogue_costs_one_key(memory: Memory) -> None:
    snapshot = read(load("default", None), memory)
    reads: list[Keys] = []

    again = read(load("default", snapshot), memory, reads.append)

    assert again is snapshot
    assert reads == [[catalogue_key("default")]]


def test_only_documents_that_are_new_are_read(publisher: Publisher, memory: Memory) -> None:
    snapshot = read(load("default", None), memory)
    publisher.register(group("household_affinity"))
    reads: list[Keys] = []

    changed = read(load("default", snapshot), memory, reads.append)

    assert names(changed) == ["household_affinity@1", "household_spend@1"]
    assert [len(keys) for keys in reads] == [1, 1, 1]


def test_an_empty_store_has_an_empty_catalogue() -> None:
    assert names(read(load("default", None), Memory())) == []


def test_a_catalogue_of_another_namespace_is_not_ours(memory: Memory) -> None:
    assert names(read(load("other", None), memory)) == []


def test_a_catalogue_that_is_lost_does_not_replace_the_one_in_force(memory: Memory) -> None:
    snapshot = read(load("default", None), memory)
    memory.clear()

    assert read(load("default", snapshot), memory) is snapshot


@pytest.mark.parametrize("raw", [None, b"no json", b'{"format": 99}', b'{"format": 1}', b"[]"])
def test_a_manifest_that_cannot_be_read_is_named_and_leaves_the_snapshot(
    memory: Memory, raw: bytes | None
) -> None:
    answering = handler()
    before = read(answering.refresh(), memory)
    memory.set(catalogue_key("default"), b"feed")
    if raw is not None:
        memory.set(manifest_key("default", "feed"), raw)

    with pytest.raises(CatalogueError, match="manifest feed"):
        read(answering.refresh(), memory)
    assert answering.snapshot is before


@pytest.mark.parametrize("raw", [None, b'{"format": 99}', b'{"format": 1}'])
def test_a_document_that_cannot_be_read_is_named(
    publisher: Publisher, memory: Memory, raw: bytes | None
) -> None:
    name = publisher.manifest.groups["household_spend"].versions[1].document
    del memory[document_key("default", name)]
    if raw is not None:
        memory.set(document_key("default", name), raw)

    with pytest.raises(CatalogueError, match=f"document {name}"):
        read(handler().get_online_features(request(["household_spend"])), memory)


def test_a_refresh_that_finishes_late_does_not_undo_a_newer_one(
    publisher: Publisher, memory: Memory
) -> None:
    answering = handler()
    read(answering.refresh(), memory)
    publisher.register(group("household_affinity"))
    late = answering.refresh()
    (key,) = next(late)
    older = [memory[key]]
    publisher.register(group("product_popularity"))
    newest = read(answering.refresh(), memory)

    keys = late.send([*older])
    try:
        while True:
            keys = late.send([memory.get(key) for key in keys])
    except StopIteration as end:
        in_force = end.value

    assert in_force is newest is answering.snapshot
    assert newest.digest == digest(encode_manifest(publisher.manifest))


def test_selections_are_remembered_within_bounds(publisher: Publisher, memory: Memory) -> None:
    features = {f"feature_{number}": DType.FLOAT64 for number in range(40)}
    publisher.register(group(features=features))
    snapshot = read(load("default", None), memory)

    for pair in product(features, repeat=2):
        snapshot.select(tuple(f"household_spend:{feature}" for feature in pair), "")

    assert snapshot.select(("household_spend",), "") is snapshot.select(("household_spend",), "")
    assert len(snapshot._selections) <= 1024  # noqa: SLF001  # a bound can only be seen inside


def test_a_service_among_features_is_called_one(publisher: Publisher, memory: Memory) -> None:
    publisher.register_service("coupon_redemption", ["household_spend:spend_30d"])
    snapshot = read(load("default", None), memory)

    with pytest.raises(UnknownNameError, match="'coupon_redemption'; it is a feature service"):
        snapshot.select(("coupon_redemption", "household_spend"), "")


def test_a_snapshot_is_listed_once_and_a_newer_one_anew(
    publisher: Publisher, memory: Memory
) -> None:
    publisher.register(group())
    before = read(load("default", None), memory)
    listed, described = before.summaries, before.contracts
    publisher.register(group("store_traffic"))
    after = read(load("default", before), memory)

    assert before.summaries is listed
    assert before.contracts is described
    assert _names(pb.ListFeatureGroupsResponse.FromString(listed)) == ["household_spend"]
    assert _names(pb.GetContractResponse.FromString(described)) == ["household_spend"]
    both = ["household_spend", "store_traffic"]
    assert _names(pb.ListFeatureGroupsResponse.FromString(after.summaries)) == both
    assert _names(pb.GetContractResponse.FromString(after.contracts)) == both


def _names(response: pb.ListFeatureGroupsResponse | pb.GetContractResponse) -> list[str]:
    return [each.name for each in response.feature_groups]
