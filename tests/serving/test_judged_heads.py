"""What heads are found to say is found anew when floors, rows, ages or the catalogue change."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, SupportsIndex

from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, Online
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.plans import Plans
from headrace.tests.serving.answering import ENDS, handler, has_plan, outcome, read, request
from headrace.tests.serving.publishing import NOW, Memory, Publisher, evolved, group

_AWKWARD = "household_spend:spend__30d"
SPEND = group(
    features={"spend__30d": DType.FLOAT64, "baskets_7d": DType.INT64, "last": DType.STRING}
)


def test_a_plan_does_not_hide_that_rows_grow_old() -> None:
    memory = Memory()
    Publisher(memory, "default").publish(SPEND, {(n,): (0.5, n, "x") for n in (1, 2)})
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


def test_a_new_catalogue_makes_new_plans() -> None:
    memory = Memory()
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


_EVENTS = ("ask", "ask", "ask", "floor", "rows", "lose", "evolve", "promote", "refresh", "later")


@given(st.lists(st.sampled_from(_EVENTS), max_size=25), st.data())
def test_whatever_happens_between_requests_a_handler_with_plans_answers_as_one_without(
    events: list[str], data: st.DataObject
) -> None:
    memory = Memory()
    publisher = Publisher(memory, "default")
    spec, generation, now = SPEND, 1, NOW
    publisher.publish(spec, {(number,): (0.5, number, "x") for number in range(3)})
    publisher.register_service("ranking", [_AWKWARD])
    planning, plain = handler(now=now), handler(now=now)
    plain_form = pb.GetOnlineFeaturesRequest.FromString(request(["x"], household_id=[0, 1, 2]))
    services = pb.GetOnlineFeaturesRequest(
        feature_service="ranking", entities=plain_form.entities
    ).SerializeToString()
    asked = (
        request(["household_spend"], household_id=[0, 1, 2, 3]),
        request([_AWKWARD, "household_spend@1"], household_id=[2, 0]),
        services,
    )
    for event in events:
        match event:
            case "floor":
                generation += 1
                publisher.guard(spec, generation=generation)
            case "rows":
                values: list[float | str | bool] = [1.5, generation, "later"]
                values += [True] * (len(spec.features) - len(values))
                publisher.write(spec, {(1,): values}, generation=generation)
            case "lose":
                memory.pop(publisher.guard_key(spec), None)
            case "evolve":
                spec = evolved(spec, f"added_{len(spec.features)}", DType.BOOL)
                publisher.register(spec)
            case "promote":
                spec = replace(SPEND, version=spec.version + 1)
                publisher.publish(spec, {(2,): (0.1, spec.version, "next")})
            case "refresh":
                read(planning.refresh(), memory)
                read(plain.refresh(), memory)
            case "later":
                now += timedelta(days=1)
                planning.clock = plain.clock = handler(now=now).clock
            case _:
                raw = data.draw(st.sampled_from(asked)) + data.draw(st.sampled_from(ENDS))
                plain.plans = Plans()
                assert outcome(planning, memory, raw) == outcome(plain, memory, raw)


class _Meanwhile(bytes):
    """A stored row that lets something else happen just before it is looked at."""

    happens: Callable[[], object]

    def __getitem__(self, place: SupportsIndex | slice) -> Any:  # noqa: ANN401  # as of bytes
        happens, self.happens = self.happens, lambda: None
        happens()
        return bytes(self)[place]


def test_a_floor_that_another_thread_read_hides_rows_from_this_one_alone() -> None:
    """REST and gRPC share a handler: one may have read the floor before a publish, one after."""
    memory = Memory()
    publisher = Publisher(memory, "default")
    publisher.publish(SPEND, {(1,): (0.5, 1, "x")})
    raw = request(["household_spend"])
    answering = handler()
    outcome(answering, memory, raw)
    before = Memory(memory)
    publisher.guard(SPEND, generation=2)
    row = _Meanwhile(before[publisher.key(SPEND, (1,))])
    row.happens = lambda: outcome(answering, memory, raw)
    before[publisher.key(SPEND, (1,))] = row

    assert outcome(answering, before, raw) != outcome(handler(), memory, raw)
    assert outcome(answering, memory, raw) == outcome(handler(), memory, raw)


def test_many_rows_that_share_no_head_leave_no_memory_behind() -> None:
    memory = Memory()
    publisher = Publisher(memory, "default")
    clicks = group("household_clicks", online=Online.UPSERT)
    publisher.publish(clicks, {(0,): (0.5, 0)})
    for number in range(5_000):
        publisher.write(clicks, {(number,): (0.5, number)}, at=NOW - timedelta(seconds=number))
    raw = request(["household_clicks"], household_id=list(range(5_000)))
    answering = handler()
    outcome(answering, memory, raw)

    tracemalloc.start()
    assert not isinstance(outcome(answering, memory, raw), tuple)
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert has_plan(answering, raw)
    assert kept_bytes < 100_000
