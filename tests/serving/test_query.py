"""What is refused, and in which words: with the catalogue and without."""

from datetime import timedelta

import pytest

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
from headrace.serving.settings import Limits
from headrace.tests.serving.answering import handler, read, request
from headrace.tests.serving.publishing import VISIT, Memory, Publisher, group

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
