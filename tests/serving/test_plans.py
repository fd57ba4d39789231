"""A request whose features were asked before is answered as the first one was."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.errors import HeadraceError
from headrace.contract.feature_group import DType, EntitySpec, JoinKey, Online
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.catalogue_reading import load
from headrace.serving.handler import Handler
from headrace.serving.plans import Plans
from headrace.serving.query import parse_query
from headrace.serving.question import Question
from headrace.serving.settings import Limits
from headrace.tests.serving.answering import handler, read, request
from headrace.tests.serving.publishing import NOW, Memory, Publisher, evolved, group

# Of 26 characters: its length is the byte with which a column of entities begins.
_AWKWARD = "household_spend:spend__30d"
SPEND = group(
    features={"spend__30d": DType.FLOAT64, "baskets_7d": DType.INT64, "last": DType.STRING}
)
AFFINITY = group("household_affinity", online=Online.UPSERT)
STORE = group("store_visits", entity=EntitySpec("store", (JoinKey("store_id", DType.STRING),)))
ASKED = (["household_spend"], [_AWKWARD, "household_spend:last"], ["household_affinity", _AWKWARD])
LIMITS = Limits(entities=150, rows=250)
MAY_PROJECT = pb.GetOnlineFeaturesRequest(projection=pb.PROJECTION_IF_LONG).SerializeToString()


@pytest.fixture(scope="module")
def memory() -> Memory:
    memory = Memory()
    publisher = Publisher(memory, "default")
    assert len(_AWKWARD) == 0x1A
    publisher.publish(SPEND, {(number,): (0.5, number, "x") for number in range(100)})
    publisher.write(SPEND, {(100,): (1.0, 1, "longer")})
    publisher.write(SPEND, {(101,): (1.0, 1, "gone")}, at=NOW - timedelta(days=1))
    changed = evolved(evolved(SPEND, "new", DType.BOOL), "newer", DType.BOOL)
    publisher.write(changed, {(102,): (1.0, 1, "", True, True)})
    memory.set(publisher.key(SPEND, (103,)), b"no row")
    publisher.publish(AFFINITY, {(number,): (0.5, number) for number in (0, 1, 7)})
    publisher.write(AFFINITY, {(2,): (1.5, 2)}, at=NOW - timedelta(days=9))
    publisher.publish(STORE, {("north",): (1.0, 1), ("\N{SNOWMAN}",): (2.0, 2), ("",): (3.0, 3)})
    return memory


def outcome(answering: Handler, memory: Memory, raw: bytes) -> bytes | tuple[str, str]:
    try:
        return read(answering.get_online_features(raw), memory)
    except HeadraceError as error:
        return type(error).__name__, str(error)


def has_plan(answering: Handler, raw: bytes) -> bool:
    return answering.plans.of(raw) is not None


@given(st.data())
def test_a_plan_answers_as_a_handler_that_has_none(memory: Memory, data: st.DataObject) -> None:
    features = data.draw(st.sampled_from(ASKED))
    numbers = st.integers(0, 105) | st.integers(-(2**63), 2**63 - 1)
    raw = request(features, household_id=data.draw(st.lists(numbers, max_size=160)))
    raw += data.draw(st.sampled_from([b"", MAY_PROJECT]))
    limits = replace(LIMITS, message_bytes=data.draw(st.sampled_from([1000, 4_000_000])))
    answering = handler(limits)
    for warming in ASKED:
        outcome(answering, memory, request(warming))

    assert has_plan(answering, raw)
    assert outcome(answering, memory, raw) == outcome(handler(limits), memory, raw)


def test_the_requests_of_our_clients_have_a_plan(memory: Memory) -> None:
    question = Question.of(
        ["household_spend"], None, entities={"household_id": [1, 2]}, max_age=None, stale="null"
    )
    raw = question.request({"household_id": [1, 2]}).SerializeToString()
    answering = handler()
    outcome(answering, memory, raw)
    plan = answering.plans.of(raw)

    assert plan is not None
    assert plan.asked(raw, LIMITS) is not None


@given(st.data())
def test_bytes_that_begin_as_a_known_request_are_answered_or_refused_as_ever(
    memory: Memory, data: st.DataObject
) -> None:
    answering = handler()
    known = request(data.draw(st.sampled_from(ASKED)), household_id=[1, 300])
    other = request(["store_visits"], store_id=["north"])
    outcome(answering, memory, known)
    at = data.draw(st.integers(0, len(known)))
    until = data.draw(st.integers(at, len(known)))
    between = data.draw(st.binary(max_size=4) | st.sampled_from([known, other, b"\x22\x00"]))
    raw = known[:at] + between + known[until:]

    assert outcome(answering, memory, raw) == outcome(handler(), memory, raw)


@pytest.mark.parametrize("stores", [["north"], ["north", "\N{SNOWMAN}", "nowhere", ""], []])
def test_texts_identify_under_a_plan_too(memory: Memory, stores: list[str]) -> None:
    answering = handler()
    outcome(answering, memory, request(["store_visits"], store_id=["south"]))
    raw = request(["store_visits"], store_id=stores or ["x"])

    assert has_plan(answering, raw)
    assert outcome(answering, memory, raw) == outcome(handler(), memory, raw)


def test_a_plan_does_not_hide_that_rows_grow_old(memory: Memory) -> None:
    raw = request(["household_spend"], household_id=[1, 2])
    answering = handler()
    outcome(answering, memory, raw)
    before = outcome(answering, memory, raw)
    later = NOW + timedelta(days=3, microseconds=1)
    answering.clock = handler(now=later).clock

    assert has_plan(answering, raw)
    assert before == outcome(handler(), memory, raw)
    assert outcome(answering, memory, raw) == outcome(handler(now=later), memory, raw)


def test_a_raised_floor_hides_rows_under_a_plan_too() -> None:
    memory = Memory()
    publisher = Publisher(memory, "default")
    publisher.publish(SPEND, {(1,): (0.5, 1, "x")})
    raw = request(["household_spend"])
    answering = handler()
    for _ in range(2):
        outcome(answering, memory, raw)
    publisher.guard(SPEND, generation=2)

    assert has_plan(answering, raw)
    assert outcome(answering, memory, raw) == outcome(handler(), memory, raw)


def test_what_is_asked_behind_the_entities_makes_no_plan(memory: Memory) -> None:
    plans = Plans(read(load("default", None), memory))
    known = request(["household_spend"])
    for behind in (request(["household_affinity"]), b"\x22\x00", b"\x0a\x12household_affinity"):
        raw = known + behind
        if behind != request(["household_affinity"]):
            plans.learn(raw, parse_query(raw, LIMITS), LIMITS)

        assert plans.of(known) is None


def test_a_new_catalogue_makes_new_plans(memory: Memory) -> None:
    memory = Memory(memory)
    publisher = Publisher(memory, "default")
    publisher.publish(SPEND, {(1,): (0.5, 1, "x")})
    raw = request(["household_spend"])
    answering = handler()
    outcome(answering, memory, raw)
    publisher.publish(group(version=2, features={"other": DType.INT64}), {(1,): (4,)})
    read(answering.refresh(), memory)

    assert not has_plan(answering, raw) or answering.plans.snapshot is not answering.snapshot
    for _ in range(2):
        assert outcome(answering, memory, raw) == outcome(handler(), memory, raw)
