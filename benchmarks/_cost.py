"""What a piece of work costs its process. Standard library only: peers' environments import it."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS = Path("/proc/self/status")


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Time the block: `seconds`, `cpu_seconds` of all threads, `peak_mib` of the process so far.

    The peak includes the interpreter and what it imported before.
    """
    cost: dict[str, float] = {}
    started, used = time.perf_counter(), _cpu_seconds()
    yield cost
    cost["seconds"] = time.perf_counter() - started
    cost["cpu_seconds"] = _cpu_seconds() - used
    cost["peak_mib"] = _peak_mib()


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_mib() -> float:
    # A child's ru_maxrss begins with what its parent had when it forked; VmHWM does not.
    if _STATUS.is_file():
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
