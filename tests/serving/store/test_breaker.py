from itertools import pairwise
from math import inf

from headrace.serving.store.breaker import Breaker, State


def test_a_server_that_failed_is_probed_at_once_and_then_ever_later_until_it_answers() -> None:
    states: list[State] = []
    breaker = Breaker(states.append)
    probes = []

    breaker.open(10.0)
    for _ in range(4):
        probes.append(breaker.probe_at)
        breaker.probe()
        breaker.open(breaker_now := probes[-1] + 0.1)
    probes.append(breaker.probe_at)
    breaker.probe()
    breaker.close()

    assert [round(after - before, 9) for before, after in pairwise(probes)] == [
        0.6,
        1.1,
        2.1,
        2.1,
    ]
    assert breaker_now < probes[-1]
    assert breaker.probe_at == inf
    assert states == ["open", *["half_open", "open"] * 4, "half_open", "closed"]


def test_after_it_answered_the_next_failure_is_probed_at_once_again() -> None:
    breaker = Breaker(lambda _: None)
    for now in (1.0, 2.0, 3.0):
        breaker.open(now)
    breaker.close()

    breaker.open(9.0)

    assert breaker.probe_at == 9.0
