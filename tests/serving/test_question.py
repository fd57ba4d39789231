from collections.abc import Iterable
from typing import Any

import pytest

from headrace.assets.feature_groups.household_affinity import household_affinity
from headrace.assets.feature_groups.household_spend import household_spend
from headrace.assets.services import coupon_redemption
from headrace.contract.errors import InvalidArgumentError, InvalidEntityError
from headrace.serving.conversation import Conversation
from headrace.serving.question import Question, asked_features
from headrace.tests.serving.answering import converse, handler
from headrace.tests.serving.publishing import NOW, Memory, Publisher, group

AFFINITY = tuple(f"household_affinity:{each.name}" for each in household_affinity.spec.features)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["household_spend:spend_30d"], ("household_spend:spend_30d",)),
        ([household_spend["spend_30d"]], ("household_spend:spend_30d",)),
        (household_spend["spend_30d"], ("household_spend:spend_30d",)),
        ([household_spend["spend_30d"].pin()], ("household_spend@1:spend_30d",)),
        (["a:b", household_affinity], ("a:b", *AFFINITY)),
        ((name for name in ["a:b", "c"]), ("a:b", "c")),
        (coupon_redemption, coupon_redemption.spec.features),
    ],
)
def test_features_are_named_or_declared_as_for_training(asked: Any, names: tuple[str, ...]) -> None:  # noqa: ANN401  # whatever a caller gives
    assert asked_features(asked, None) == names


@pytest.mark.parametrize(
    ("features", "service", "problem"),
    [
        ("g:f", None, "features is the string 'g:f'"),
        ([], None, "neither is given"),
        (["g:f"], "service", "both are given"),
        ([1], None, "1 is no feature"),
        (b"g:f", None, "b'g:f' is no feature"),
        (None, coupon_redemption, "feature_service is FeatureService("),
    ],
)
def test_what_names_no_features_is_refused(features: Any, service: Any, problem: str) -> None:  # noqa: ANN401  # as above
    with pytest.raises(InvalidArgumentError) as refused:
        asked_features(features, service)

    assert problem in str(refused.value)


def test_a_wrong_value_in_a_generator_is_refused_and_not_what_follows_it_answered() -> None:
    """Values are read again when the live version may have changed; a generator has none left."""
    memory = Memory()
    publisher = Publisher(memory, "default")
    publisher.publish(group(), {(1,): (0.5, 1)}, at=NOW)

    conversation, answering = Conversation("here"), handler()

    def ask(column: Iterable[object]) -> None:
        entities = {"household_id": column}
        question = Question.of(
            ["household_spend"], None, entities=entities, max_age=None, stale="null"
        )
        converse(conversation.look_up(question), answering, memory)

    ask([1])

    with pytest.raises(InvalidEntityError, match="got '2'"):
        ask(number for number in (1, "2", 3))
