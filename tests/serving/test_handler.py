from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.errors import (
    InvalidArgumentError,
    InvalidEntityError,
    InvalidFeatureReferenceError,
    RequestError,
    TooLargeError,
    UnknownNameError,
)
from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.store_keys import catalogue_key
from headrace.serving.handler import Handler
from headrace.serving.reading import Keys
from headrace.serving.settings import Limits
from headrace.tests.serving.answering import handler, read, request
from headrace.tests.serving.publishing import VISIT, Memory, Publisher, evolved, group

SPEND = "household_spend:spend_30d"


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture(autouse=True)
def publisher(memory: Memory) -> Publisher:
    publisher = Publisher(memory, "default")
    publisher.publish(group(), {(1,): (12.5, 3)})
    return publisher


def refusal(
    memory: Memory, raw: bytes, error: type[RequestError], *, limits: Limits | None = None
) -> str:
    """The message with which a request for online features is refused."""
    with pytest.raises(error) as refused:
        read(handler(limits).get_online_features(raw), memory)
    return str(refused.value)


def answer(
    answering: Handler,
    memory: Memory,
    raw: bytes,
    before: Callable[[Keys], object] | None = None,
) -> pb.GetOnlineFeaturesResponse:
    return pb.GetOnlineFeaturesResponse.FromString(
        read(answering.get_online_features(raw), memory, before)
    )


@pytest.mark.parametrize(
    ("reference", "kind", "nearest"),
    [
        ("houshold_spend:spend_30d", "published feature group", "household_spend"),
        ("household_spend:spend_3d", "feature", "household_spend:spend_30d"),
        ("household_spend@2", "published feature group", "household_spend@1"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_ones(
    memory: Memory, reference: str, kind: str, nearest: str
) -> None:
    message = refusal(memory, request([reference]), UnknownNameError)

    assert message.startswith(f"there is no {kind} '")
    assert f"; did you mean {nearest!r}" in message


def test_an_unknown_feature_service_is_refused_with_the_nearest_ones(
    publisher: Publisher, memory: Memory
) -> None:
    publisher.register_service("coupon_redemption", [SPEND])
    raw = pb.GetOnlineFeaturesRequest.FromString(request([]))
    raw.feature_service = "coupon_redemptions"

    assert "did you mean 'coupon_redemption'?" in refusal(
        memory, raw.SerializeToString(), UnknownNameError
    )


def test_a_group_whose_first_publish_goes_on_is_not_published_yet(
    publisher: Publisher, memory: Memory
) -> None:
    publisher.register(group("household_affinity"), live=False)

    assert "there is no feature group with a finished publish 'household_affinity'" in refusal(
        memory, request(["household_affinity"]), UnknownNameError
    )


def test_a_reference_of_another_form_is_refused(memory: Memory) -> None:
    message = refusal(memory, request(["spend 30d"]), InvalidFeatureReferenceError)

    assert message.startswith("'spend 30d' is no feature reference")


def test_a_missing_join_key_is_refused(publisher: Publisher, memory: Memory) -> None:
    publisher.publish(group("household_store", entity=VISIT), {})
    raw = request(["household_store"], household_id=[1])

    assert refusal(memory, raw, InvalidEntityError) == (
        "entity 'household_store', join key 'store_id': expected STRING, got nothing"
    )


def test_a_join_key_of_another_type_is_refused(memory: Memory) -> None:
    raw = request([SPEND], household_id=["one"])

    assert refusal(memory, raw, InvalidEntityError) == (
        "entity 'household', join key 'household_id': expected INT64, got 'one' (str)"
    )


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(DType.INT32, 2**31), (DType.DATE, 2932897), (DType.DATE, 2**63 - 1), (DType.DATE, "today")],
)
def test_a_join_key_out_of_range_is_refused(
    publisher: Publisher, memory: Memory, dtype: DType, value: int | str
) -> None:
    publisher.publish(group("calendar", entity=EntitySpec("day", (JoinKey("day", dtype),))), {})
    column = [value] if isinstance(value, int) else [str(value)]

    message = refusal(memory, request(["calendar"], day=column), InvalidEntityError)

    assert message.startswith(f"entity 'day', join key 'day': expected {dtype.name}")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"household": [1]}, "'household' is no join key of what is asked for"),
        ({"household_id": [1], "store_id": ["a"]}, "'store_id' is no join key of what"),
        ({"household_id": [1, 2], "store_id": ["a"]}, "the columns differ in length"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    memory: Memory, columns: dict[str, list[int]], problem: str
) -> None:
    assert problem in refusal(memory, request([SPEND], **columns), InvalidArgumentError)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"features": []}, "nothing is asked for; set exactly one"),
        ({"feature_service": "coupon_redemption"}, "both are given; set exactly one"),
        ({"entities": []}, "no join key is given"),
        ({"entities": [pb.EntityColumn(join_key="household_id")]}, "no join key is given"),
        (
            {"entities": [pb.EntityColumn(join_key="a", int64_values=pb.Int64Values())] * 2},
            "join key 'a' is given twice",
        ),
        ({"max_age": timedelta(seconds=-1)}, "are no age; give a duration of zero or more"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused(
    memory: Memory, change: dict[str, object], problem: str
) -> None:
    message = pb.GetOnlineFeaturesRequest.FromString(request([SPEND]))
    for name in change:
        message.ClearField(name)
    message.MergeFrom(pb.GetOnlineFeaturesRequest(**change))  # type: ignore[arg-type]

    assert problem in refusal(memory, message.SerializeToString(), InvalidArgumentError)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(entities=1), "2 entities in one request, at most 1; split the request"),
        (Limits(features=1), "2 features in one request, at most 1; split the request"),
        (Limits(rows=3), "4 rows (entities × groups) in one request, at most 3; split the request"),
    ],
)
def test_a_request_that_is_too_large_is_refused(
    publisher: Publisher, memory: Memory, limits: Limits, message: str
) -> None:
    publisher.publish(group("household_affinity"), {})
    raw = request(["household_spend", "household_affinity"], household_id=[1, 2])

    assert refusal(memory, raw, TooLargeError, limits=limits) == message


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
