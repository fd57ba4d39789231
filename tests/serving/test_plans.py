"""A request whose features were asked before is answered as the first one was."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, EntitySpec, JoinKey, Online
from headrace.serving.catalogue_reading import load
from headrace.serving.handler import Handler
from headrace.serving.plans import Asked, Plans
from headrace.serving.query import parse_query
from headrace.serving.question import Question
from headrace.serving.settings import Limits
from headrace.tests.serving.answering import (
    ALWAYS,
    ENDS,
    handler,
    has_plan,
    outcome,
    read,
    request,
)
from headrace.tests.serving.publishing import NOW, Memory, Publisher, evolved, group

# Of 26 characters: its length is the byte with which a column of entities begins.
_AWKWARD = "household_spend:spend__30d"
SPEND = group(
    features={"spend__30d": DType.FLOAT64, "baskets_7d": DType.INT64, "last": DType.STRING}
)
AFFINITY = group("household_affinity", online=Online.UPSERT)
STORE = group("store_visits", entity=EntitySpec("store", (JoinKey("store_id", DType.STRING),)))
AISLE = group("aisle_sales", entity=EntitySpec("aisle", (JoinKey("aisle", DType.INT32),)))
DAY = group("holidays", entity=EntitySpec("day", (JoinKey("day", DType.DATE),)))
ASKED = (["household_spend"], [_AWKWARD, "household_spend:last"], ["household_affinity", _AWKWARD])
LIMITS = Limits(entities=150, rows=250)


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
    publisher.publish(AISLE, {(number,): (1.0, 1) for number in (-(2**31), -1, 0, 2**31 - 1)})
    publisher.publish(DAY, {(day,): (1.0, 1) for day in (date.min, date(1970, 1, 1), date.max)})
    return memory


def planned(answering: Handler, raw: bytes) -> Asked | None:
    plan = answering.plans.of(raw)
    return None if plan is None else plan.asked(raw, LIMITS)


@given(st.data())
def test_a_plan_answers_as_a_handler_that_has_none(memory: Memory, data: st.DataObject) -> None:
    features = data.draw(st.sampled_from(ASKED))
    numbers = st.integers(0, 105) | st.integers(-(2**63), 2**63 - 1)
    raw = request(features, household_id=data.draw(st.lists(numbers, max_size=160)))
    raw += data.draw(st.sampled_from(ENDS))
    limits = replace(LIMITS, message_bytes=data.draw(st.sampled_from([1000, 4_000_000])))
    answering = handler(limits)
    for warming in ASKED:
        for end in ENDS:
            outcome(answering, memory, request(warming) + end)

    assert has_plan(answering, raw)
    assert outcome(answering, memory, raw) == outcome(handler(limits), memory, raw)


@pytest.mark.parametrize("max_age", [None, timedelta(hours=3)])
def test_the_requests_of_our_clients_have_a_plan(memory: Memory, max_age: timedelta | None) -> None:
    question = Question.of(
        ["household_spend"], None, entities={"household_id": [1, 2]}, max_age=max_age, stale="null"
    )
    raw = question.request({"household_id": [1, 2]}).SerializeToString()
    answering = handler()
    outcome(answering, memory, raw)
    assert planned(answering, raw) is not None


@given(st.data())
def test_bytes_that_begin_as_a_known_request_are_answered_or_refused_as_ever(
    memory: Memory, data: st.DataObject
) -> None:
    answering = handler()
    known = request(data.draw(st.sampled_from(ASKED)), household_id=[1, 300])
    known += data.draw(st.sampled_from(ENDS))
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


@pytest.mark.parametrize("number", [0, -1, -(2**31), 2**31 - 1, 2**31, -(2**31) - 1])
def test_short_integers_identify_under_a_plan_and_longer_ones_are_refused(
    memory: Memory, number: int
) -> None:
    answering = handler()
    outcome(answering, memory, request(["aisle_sales"], aisle=[1]))
    raw = request(["aisle_sales"], aisle=[0, number])

    assert has_plan(answering, raw)
    assert outcome(answering, memory, raw) == outcome(handler(), memory, raw)


@pytest.mark.parametrize("number", [0, -719_162, 2_932_896, -719_163, 2_932_897, 2**62])
def test_dates_identify_under_a_plan_and_those_beyond_the_calendar_are_refused(
    memory: Memory, number: int
) -> None:
    answering = handler()
    outcome(answering, memory, request(["holidays"], day=[1]))
    raw = request(["holidays"], day=[0, number])

    assert has_plan(answering, raw)
    assert outcome(answering, memory, raw) == outcome(handler(), memory, raw)


def test_what_is_asked_behind_the_entities_makes_no_plan(memory: Memory) -> None:
    plans = Plans(read(load("default", None), memory))
    known = request(["household_spend"])
    for behind in (request(["household_affinity"]), b"\x0a\x12household_affinity", ALWAYS):
        raw = known + behind
        if behind != request(["household_affinity"]):
            plans.learn(raw, parse_query(raw, LIMITS))

        assert plans.of(known) is None


def test_requests_of_one_form_that_are_under_way_together_make_one_plan(memory: Memory) -> None:
    answering = handler()
    read(answering.refresh(), memory)
    raws = [request(features) for features in (*[[_AWKWARD]] * 20, ["household_spend", _AWKWARD])]
    readings = [answering.get_online_features(raw) for raw in raws]
    keys = [next(reading) for reading in readings]
    for reading, asked in zip(readings, keys, strict=True):
        with pytest.raises(StopIteration):
            reading.send([memory.get(key) for key in asked])

    assert len(answering.plans) == 2
    assert all(has_plan(answering, raw) for raw in raws)


def test_a_request_that_is_answered_the_long_way_after_all_is_read_once(memory: Memory) -> None:
    def trips(answering: Handler, raw: bytes) -> list[int]:
        seen: list[int] = []
        read(answering.get_online_features(raw), memory, lambda keys: seen.append(len(keys)))
        return seen

    answering = handler(replace(LIMITS, message_bytes=100))
    long, foreign = (request(["household_spend"], household_id=ids) for ids in ([1, 2], [102]))
    for raw in (long, foreign):
        trips(answering, raw)

    assert trips(answering, long) == [3]
    assert trips(answering, foreign) == [2, 1]  # its row, then the catalogue


def test_plans_take_a_bounded_share_of_memory(memory: Memory) -> None:
    """Whoever asks for the same features in ever other orders makes no plan of each for ever."""
    plans = Plans(read(load("default", None), memory))
    names = [_AWKWARD, "household_spend:last", "household_spend:baskets_7d", "household_spend"]
    for number in range(5_000):
        features = ["household_spend:last", *(names[number >> 2 * at & 3] for at in range(7))]
        raw = request(features)
        plans.learn(raw, parse_query(raw, LIMITS))
    counts = [len(plans)]
    long = request(["household_spend:last"] * 1_000)
    plans.learn(long, parse_query(long, Limits()))

    assert counts[0] <= 1024
    assert plans.of(long) is None
