from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.errors import (
    InvalidArgumentError,
    RequestError,
    UnknownNameError,
)
from headrace.contract.feature_group import DType
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.store_keys import catalogue_key
from headrace.serving.handler import Handler
from headrace.serving.reading import Keys
from headrace.tests.serving.answering import handler, read, request
from headrace.tests.serving.publishing import Memory, Publisher, evolved, group

SPEND = "household_spend:spend_30d"


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture(autouse=True)
def publisher(memory: Memory) -> Publisher:
    publisher = Publisher(memory, "default")
    publisher.publish(group(), {(1,): (12.5, 3)})
    return publisher


def answer(
    answering: Handler,
    memory: Memory,
    raw: bytes,
    before: Callable[[Keys], object] | None = None,
) -> pb.GetOnlineFeaturesResponse:
    return pb.GetOnlineFeaturesResponse.FromString(
        read(answering.get_online_features(raw), memory, before)
    )


@given(st.binary(max_size=60))
def test_bytes_that_are_no_request_are_refused_and_never_break_the_handler(raw: bytes) -> None:
    memory = Memory()
    Publisher(memory, "default").publish(group(), {(1,): (12.5, 3)})
    answering = handler()

    for method in (
        answering.get_online_features,
        answering.get_contract,
        answering.list_feature_groups,
    ):
        with suppress(RequestError):
            read(method(raw), memory)


def test_no_entities_get_an_answer_without_rows(memory: Memory) -> None:
    answered = answer(handler(), memory, request([SPEND], household_id=[]))

    assert [len(group.rows) for group in answered.groups] == [0]


def test_groups_come_in_the_order_in_which_they_are_first_named(
    publisher: Publisher, memory: Memory
) -> None:
    publisher.publish(group("household_affinity"), {})
    features = ["household_spend:baskets_7d", "household_affinity", SPEND, "household_spend@1"]

    answered = answer(handler(), memory, request(features))

    assert [(group.feature_group, group.version) for group in answered.groups] == [
        ("household_spend", 1),
        ("household_affinity", 1),
        ("household_spend", 1),
    ]


def test_an_unversioned_reference_is_of_the_live_version_and_a_pinned_one_is_not(
    publisher: Publisher, memory: Memory
) -> None:
    second = group(version=2)
    publisher.publish(second, {(1,): (99.0, 9)})
    publisher.flip(publisher.manifest.with_live("household_spend", 1))
    raw = request(["household_spend", "household_spend@2"])

    before = answer(handler(), memory, raw)
    publisher.flip(publisher.manifest.with_live("household_spend", 2))
    after = answer(handler(), memory, raw)

    assert [group.rows[0].float64_values[0] for group in before.groups] == [12.5, 99.0]
    assert [group.rows[0].float64_values[0] for group in after.groups] == [99.0, 99.0]


def test_a_feature_service_is_answered_with_an_id_that_changes_with_its_features(
    publisher: Publisher, memory: Memory
) -> None:
    ids = []
    for features in ([SPEND], ["household_spend:baskets_7d"], [SPEND]):
        publisher.register_service("coupon_redemption", features)
        message = pb.GetOnlineFeaturesRequest.FromString(request([]))
        message.feature_service = "coupon_redemption"
        ids.append(answer(handler(), memory, message.SerializeToString()).service_id)

    assert ids[0] == ids[2] != ids[1]
    assert all(ids)
    assert answer(handler(), memory, request([SPEND])).service_id == ""


def test_a_name_published_after_the_last_refresh_is_found(
    publisher: Publisher, memory: Memory
) -> None:
    answering = handler()
    read(answering.refresh(), memory)
    publisher.publish(group("household_affinity"), {(1,): (1.0, 1)})

    answered = answer(answering, memory, request(["household_affinity"]))

    assert answered.groups[0].rows[0].float64_values == [1.0]


def test_a_row_of_a_newer_schema_makes_the_handler_read_the_catalogue_once(
    publisher: Publisher, memory: Memory
) -> None:
    answering = handler()
    read(answering.refresh(), memory)
    after = evolved(group(), "visits_7d", DType.INT32)
    publisher.register(after)
    publisher.write(after, {(1,): (13.0, 3, 4)})
    reads: list[Keys] = []

    answered = answer(answering, memory, request([SPEND]), reads.append)

    assert list(answered.groups[0].rows[0].int32_values) == [4]
    assert reads.count([catalogue_key("default")]) == 1


def test_a_row_of_a_schema_that_nobody_knows_costs_one_look_at_the_catalogue(
    publisher: Publisher, memory: Memory
) -> None:
    answering = handler()
    read(answering.refresh(), memory)
    publisher.write(replace(group(), schemas=(group().features,) * 2), {(1,): (13.0, 3)})
    reads: list[Keys] = []

    answered = answer(answering, memory, request([SPEND]), reads.append)

    assert answered.groups[0].rows[0] == pb.FeatureRow(status=pb.ROW_STATUS_ERROR)
    assert [len(keys) for keys in reads] == [2, 1]


def test_a_missing_floor_is_an_error_only_if_the_catalogue_still_names_the_group(
    publisher: Publisher, memory: Memory
) -> None:
    """A dropped version and its successor: the handler may not have heard of the flip yet."""
    answering = handler()
    read(answering.refresh(), memory)
    publisher.publish(group(version=2), {(1,): (99.0, 9)})
    del memory[publisher.guard_key(group())]

    answered = answer(answering, memory, request([SPEND]))

    assert answered.groups[0].version == 2
    assert answered.groups[0].rows[0].float64_values == [99.0]


def test_the_contract_of_everything_live_is_given_when_nothing_is_named(
    publisher: Publisher, memory: Memory
) -> None:
    publisher.register(group("household_affinity"), live=False)
    publisher.register_service("coupon_redemption", [SPEND])

    raw = read(handler().get_contract(b""), memory)

    response = pb.GetContractResponse.FromString(raw)
    assert [group.name for group in response.feature_groups] == ["household_spend"]
    assert [service.name for service in response.feature_services] == ["coupon_redemption"]


def test_a_contract_says_how_to_ask_and_how_to_decode(publisher: Publisher, memory: Memory) -> None:
    after = evolved(group(), "visits_7d", DType.INT32)
    publisher.register(after)
    asked = pb.GetContractRequest(feature_groups=["household_spend@1"]).SerializeToString()

    response = pb.GetContractResponse.FromString(read(handler().get_contract(asked), memory))

    (contract,) = response.feature_groups
    assert [(key.name, key.data_type) for key in contract.join_keys] == [
        ("household_id", pb.DATA_TYPE_INT64)
    ]
    assert [[feature.name for feature in schema.features] for schema in contract.schemas] == [
        ["spend_30d", "baskets_7d"],
        ["spend_30d", "baskets_7d", "visits_7d"],
    ]
    assert contract.ttl.ToTimedelta() == timedelta(days=3)
    assert (contract.entity, contract.online, contract.live) == ("household", "snapshot", True)


def test_the_contract_of_a_feature_service_comes_with_those_of_its_groups(
    publisher: Publisher, memory: Memory
) -> None:
    publisher.publish(group("household_affinity"), {})
    publisher.publish(group("product_popularity"), {})
    publisher.register_service("coupon_redemption", ["product_popularity", SPEND])
    asked = pb.GetContractRequest(feature_service="coupon_redemption").SerializeToString()

    response = pb.GetContractResponse.FromString(read(handler().get_contract(asked), memory))

    assert [group.name for group in response.feature_groups] == [
        "product_popularity",
        "household_spend",
    ]
    assert list(response.feature_services[0].features) == ["product_popularity", SPEND]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (pb.GetContractRequest(feature_groups=["houshold_spend"]), UnknownNameError),
        (pb.GetContractRequest(feature_service="nobody"), UnknownNameError),
        (pb.GetContractRequest(feature_groups=[SPEND]), InvalidArgumentError),
        (pb.GetContractRequest(feature_groups=["a"], feature_service="b"), InvalidArgumentError),
    ],
)
def test_a_contract_of_nothing_published_is_refused(
    memory: Memory, asked: pb.GetContractRequest, error: type[RequestError]
) -> None:
    with pytest.raises(error):
        read(handler().get_contract(asked.SerializeToString()), memory)


def test_every_published_version_is_listed(publisher: Publisher, memory: Memory) -> None:
    publisher.register(group(version=2), live=False)
    publisher.publish(group("household_affinity"), {})

    raw = read(handler().list_feature_groups(b""), memory)

    listed = pb.ListFeatureGroupsResponse.FromString(raw).feature_groups
    assert [(group.name, group.version, group.live, group.feature_count) for group in listed] == [
        ("household_affinity", 1, True, 2),
        ("household_spend", 1, True, 2),
        ("household_spend", 2, False, 2),
    ]
