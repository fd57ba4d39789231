from datetime import timedelta

import pytest

from headrace.contract.durability import Durability
from headrace.contract.errors import InvalidArgumentError


def test_nobody_is_waited_for_unless_it_is_said() -> None:
    assert Durability.read("", "") == Durability()
    assert Durability().replicas_of("cart@1") == 0


def test_a_group_that_is_named_has_its_own_number_in_all_versions() -> None:
    durability = Durability.read("1, cart=2,views=0", "3")

    assert [durability.replicas_of(name) for name in ("cart@1", "cart@7", "views", "spend@1")] == [
        2,
        2,
        0,
        1,
    ]
    assert durability.patience == timedelta(seconds=3)


@pytest.mark.parametrize("replicas", ["one", "-1", "cart=", "=2x", "cart=1,cart=2", "a b=1"])
def test_what_is_no_number_of_replicas_is_refused(replicas: str) -> None:
    with pytest.raises(InvalidArgumentError, match="HEADRACE_WAIT_REPLICAS"):
        Durability.read(replicas, "")


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "21", "inf", "nan"])
def test_what_is_no_time_to_wait_is_refused(seconds: str) -> None:
    with pytest.raises(InvalidArgumentError, match="HEADRACE_WAIT_SECONDS"):
        Durability.read("", seconds)
