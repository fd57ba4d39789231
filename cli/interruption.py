"""Whether somebody asked this process to stop, also where the exception that says so was lost.

Python calls a signal's handler between any two instructions: in a finalizer or a callback of the
garbage collection, too, where what the handler raises is printed and forgotten. It writes the
signal's number to the wakeup descriptor before, and that is never lost.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_ENDINGS = {signal.SIGINT, signal.SIGTERM}
_AT_ONCE = 4096


@contextmanager
def heard_signals() -> Iterator[Callable[[], bool]]:
    """What tells whether SIGINT or SIGTERM came since the block began; of other threads, never."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    ear, mouth = os.pipe()
    for end in (ear, mouth):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    heard: set[int] = set()

    def is_asked_to_stop() -> bool:
        with suppress(BlockingIOError):
            heard.update(os.read(ear, _AT_ONCE))
        return bool(heard & _ENDINGS)

    try:
        yield is_asked_to_stop
    finally:
        signal.set_wakeup_fd(before)
        os.close(ear)
        os.close(mouth)
