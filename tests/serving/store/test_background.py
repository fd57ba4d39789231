"""What is made in threads of its own is handed over, or given back."""

import select
import threading

import pytest

from headrace.serving.store.background import Background

PATIENCE_SECONDS = 30


class Made:
    """Something that has to be closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


@pytest.mark.parametrize("made_when", ["before", "after"])
def test_what_nobody_takes_up_is_closed_with_the_background(made_when: str) -> None:
    made, may_end, taken = Made(), threading.Event(), list[object]()
    background = Background()

    def make() -> Made:
        assert may_end.wait(PATIENCE_SECONDS)
        return made

    background.start(make, taken.append)
    if made_when == "before":
        may_end.set()
        assert select.select([background], [], [], PATIENCE_SECONDS)[0]
    background.close()
    may_end.set()

    assert made.closed.wait(PATIENCE_SECONDS)
    assert taken == []
