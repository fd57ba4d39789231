import asyncio
from datetime import timedelta
from typing import Any

import pytest

from headrace.contract.errors import (
    HeadraceError,
    InvalidArgumentError,
    InvalidEntityError,
    InvalidFeatureReferenceError,
    RefusedRequestError,
    ServerError,
)
from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.contract.status import Status
from headrace.serving.client import AsyncFeatureClient, FeatureClient
from headrace.serving.online_features import OnlineFeatures
from headrace.serving.transports.aio import AioServer
from headrace.tests.serving.publishing import NOW, Publisher, evolved, group
from headrace.tests.serving.running import settings

pytestmark = pytest.mark.server

SPEND = "household_spend:spend_30d"


def values(got: OnlineFeatures) -> list[object]:
    """What the first entity got."""
    first, *_ = got.to_dicts()
    return [first[name] for name in got.feature_names]


def test_features_are_looked_up_by_name_and_by_feature_service(
    publisher: Publisher, client: FeatureClient
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    publisher.register_service("coupon_redemption", ["household_spend:baskets_7d", SPEND])

    by_name = client.get_online_features([SPEND], entities={"household_id": [1]})
    by_service = client.get_online_features(
        feature_service="coupon_redemption", entities={"household_id": [1]}
    )

    assert values(by_name) == [12.5]
    assert values(by_service) == [3, 12.5]


def test_max_age_and_stale_reach_the_answer(publisher: Publisher, client: FeatureClient) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)}, at=NOW - timedelta(hours=2))

    got = client.get_online_features(
        [SPEND],
        entities={"household_id": [1]},
        max_age=timedelta(hours=2) - timedelta(microseconds=1),
        stale="keep",
    )

    assert (values(got), got.statuses.tolist()) == ([12.5], [[Status.STALE]])


def test_a_flip_to_a_version_with_other_features_and_join_keys_is_followed(
    publisher: Publisher, client: FeatureClient
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    client.get_online_features(["household_spend"], entities={"household_id": [1]})
    by_name = EntitySpec("household", (JoinKey("household_id", DType.STRING),))
    second = group(version=2, features={"spend_30d": DType.FLOAT64}, entity=by_name)
    publisher.publish(second, {("one",): (99.0,)})
    wait_until_live(client, version=2)

    got = client.get_online_features(["household_spend"], entities={"household_id": ["one"]})

    assert (got.feature_names, values(got)) == (["household_spend__spend_30d"], [99.0])


def test_a_feature_that_was_added_in_place_appears_with_the_group(
    publisher: Publisher, client: FeatureClient
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    before = client.get_online_features(["household_spend"], entities={"household_id": [1]})
    after = evolved(group(), "visits_7d", DType.INT32)
    publisher.register(after)
    publisher.write(after, {(1,): (13.0, 3, 4)})

    got = client.get_online_features(["household_spend"], entities={"household_id": [1]})

    assert (values(before), values(got)) == ([12.5, 3], [13.0, 3, 4])


def test_a_feature_service_that_changed_is_asked_for_again(
    publisher: Publisher, client: FeatureClient
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    publisher.publish(group("household_affinity"), {(1,): (0.25, 7)})
    publisher.register_service("coupon_redemption", [SPEND])
    entities = {"household_id": [1]}
    client.get_online_features(feature_service="coupon_redemption", entities=entities)
    publisher.register_service("coupon_redemption", ["household_affinity:spend_30d", SPEND])
    publisher.publish(group("household_store"), {})
    client.get_contracts(["household_store"])  # the server has read the newest catalogue

    got = client.get_online_features(feature_service="coupon_redemption", entities=entities)

    assert got.feature_names == ["household_affinity__spend_30d", "household_spend__spend_30d"]
    assert values(got) == [0.25, 12.5]


def test_contracts_say_how_to_ask(publisher: Publisher, client: FeatureClient) -> None:
    publisher.publish(group(), {})
    publisher.register_service("coupon_redemption", [SPEND])

    (by_name,) = client.get_contracts([SPEND])
    (by_service,) = client.get_contracts(feature_service="coupon_redemption")

    assert by_name.entity.join_keys == (JoinKey("household_id", DType.INT64),)
    assert [feature.name for feature in by_name.features] == ["spend_30d", "baskets_7d"]
    assert (by_name.version, by_name.live, by_name.ttl) == (1, True, timedelta(days=3))
    assert by_service.contract_id == by_name.contract_id


def test_groups_are_listed(publisher: Publisher, client: FeatureClient) -> None:
    publisher.publish(group(), {})
    client.get_contracts(["household_spend"])

    assert [summary.name for summary in client.list_feature_groups()] == ["household_spend"]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ((["houshold_spend"], None), RefusedRequestError, "did you mean 'household_spend'?"),
        ((None, "nobody"), RefusedRequestError, "there is no feature service 'nobody'"),
        ((["a b"], None), InvalidFeatureReferenceError, "'a b' is no feature reference"),
        ((SPEND, None), InvalidArgumentError, f"features is the string {SPEND!r}"),
        ((None, None), InvalidArgumentError, "neither is given"),
        (([SPEND], "coupon_redemption"), InvalidArgumentError, "both are given"),
        (([SPEND, "household_spend"], None), InvalidArgumentError, "is asked for twice"),
    ],
)
def test_a_wrong_question_is_refused_in_words(
    server: str,
    publisher: Publisher,
    *,
    asked: tuple[list[str] | None, str | None],
    error: type[HeadraceError],
    message: str,
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    features, service = asked

    with FeatureClient(server) as client, pytest.raises(error) as refused:
        client.get_online_features(
            features, feature_service=service, entities={"household_id": [1]}
        )

    assert message in str(refused.value)


def test_an_entity_of_another_type_is_refused_before_it_is_sent(
    publisher: Publisher, client: FeatureClient
) -> None:
    publisher.publish(group(), {})

    with pytest.raises(InvalidEntityError, match="expected INT64, got '1'"):
        client.get_online_features([SPEND], entities={"household_id": ["1"]})


def test_more_entities_than_allowed_are_refused(
    publisher: Publisher, client: FeatureClient
) -> None:
    publisher.publish(group(), {})

    with pytest.raises(RefusedRequestError, match="10001 entities") as refused:
        client.get_online_features([SPEND], entities={"household_id": range(10_001)})

    assert refused.value.code == "INVALID_ARGUMENT"


def test_ten_thousand_entities_are_answered(publisher: Publisher, client: FeatureClient) -> None:
    publisher.publish(group(), {(number,): (1.0, 1) for number in range(0, 10_000, 100)})

    got = client.get_online_features([SPEND], entities={"household_id": range(10_000)})

    assert (got.statuses == Status.PRESENT).sum() == 100
    assert len(got) == 10_000


def test_no_server_is_a_server_error_with_its_address() -> None:
    with FeatureClient("127.0.0.1:1") as client, pytest.raises(ServerError) as failed:
        client.get_online_features([SPEND], entities={"household_id": [1]})

    assert (failed.value.server, failed.value.code) == ("127.0.0.1:1", "UNAVAILABLE")


def test_the_async_client_answers_as_the_other_one_does(
    publisher: Publisher, valkey_url: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    publisher.register_service("coupon_redemption", [SPEND])
    entities = {"household_id": [1]}

    async def main() -> tuple[list[object], ...]:
        server = AioServer(settings(valkey_url))
        async with AsyncFeatureClient(await server.start()) as client:
            one, other = await asyncio.gather(
                client.get_online_features(["household_spend"], entities=entities),
                client.get_online_features(feature_service="coupon_redemption", entities=entities),
            )
            contracts = await client.get_contracts(["household_spend"])
            listed = await client.list_feature_groups()
            with pytest.raises(RefusedRequestError):
                await client.get_online_features(["nobody"], entities=entities)
        await server.stop()
        return values(one), values(other), [contracts[0].name], [listed[0].name]

    assert asyncio.run(main()) == ([12.5, 3], [12.5], ["household_spend"], ["household_spend"])


def wait_until_live(client: FeatureClient, *, version: int) -> None:
    """The server compares its catalogue many times a second in tests."""
    while not any(
        group.live and group.version == version for group in client.list_feature_groups()
    ):
        pass


@pytest.mark.parametrize("wrong", [{"stale": "kepp"}, {"max_age": 36}])
def test_an_option_that_there_is_none_of_is_refused_by_name(wrong: dict[str, object]) -> None:
    (name,) = wrong
    asked: dict[str, Any] = {"features": ["g:f"], "entities": {"household_id": [1]}, **wrong}

    with FeatureClient("127.0.0.1:1") as client, pytest.raises(InvalidArgumentError, match=name):
        client.get_online_features(**asked)
