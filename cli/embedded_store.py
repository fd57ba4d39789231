"""The embedded Valkey beside a process that serves: started again when it dies."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..contract.environment import Environment
from ..contract.errors import StoreUnavailableError
from ..resources.online.local_valkey import LocalValkey

LOOK_AFTER_SECONDS = 2.0

_LOG = logging.getLogger("headrace.serving")


@contextmanager
def kept_valkey(environment: Environment) -> Iterator[None]:
    """Join or start it, and see to it that it lives for as long as the block lasts.

    Raises:
        StoreUnavailableError: It does not start. When it dies later and does not start again, that
            is logged, and tried again; meanwhile the server answers that its store is gone.
    """
    with LocalValkey(environment):
        ended = threading.Event()
        looking = threading.Thread(target=_look_after, args=(environment, ended), name="valkey")
        looking.start()
        try:
            yield
        finally:
            ended.set()
            looking.join()


def _look_after(environment: Environment, ended: threading.Event) -> None:
    trouble = ""
    while not ended.wait(LOOK_AFTER_SECONDS):
        found = ""
        try:
            with LocalValkey(environment):  # joins it; starts it again if somebody killed it
                pass
        except StoreUnavailableError as error:
            found = str(error)
        if found != trouble:
            _LOG.warning(found or "the embedded Valkey answers again")
        trouble = found
