"""Many lookups for a long time, while all goes on that goes on in production, and goes wrong.

HEADRACE_SOAK_SECONDS=120 .venv/bin/pytest tests/soak -m slow -s
"""

import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from headrace.tests.serving.running import server_process
from headrace.tests.serving.test_workers import next_worker, workers
from headrace.tests.soak.disturbances import NAMESPACE, Disturbances, Publishing, start_store
from headrace.tests.soak.load import CALLERS, Outcome, load
from headrace.tests.soak.model import FEEDS, NOW, Board
from headrace.tests.valkey_processes import Processes, free_port

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]

_SECONDS = float(os.environ.get("HEADRACE_SOAK_SECONDS", "600"))
_RATE, _PROCESSES = 2000, 2
_REFUSALS = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED"}
_MIB = 1024 * 1024
_GROWTH_BYTES = 8 * _MIB
"""What a worker may grow from its second fifth to its last: some 20 bytes a lookup."""


def test_every_answer_is_right_while_all_is_disturbed_that_can_be(tmp_path: Path) -> None:
    board, metrics = Board(), _two_free_ports()
    with Processes(tmp_path) as processes:
        store = start_store(processes)
        url = f"redis://127.0.0.1:{store.port}"
        publishing = Publishing(url, tmp_path / "offline", board)
        variables = {
            "HEADRACE_REDIS": url,
            "HEADRACE_NAMESPACE": NAMESPACE,
            "HEADRACE_HOME": str(tmp_path),
            "HEADRACE_CLOCK": NOW.isoformat(),
        }
        options = ("--workers", "2", "--transport", "lean", f"--metrics=127.0.0.1:{metrics}")
        with server_process("127.0.0.1:0", *options, **variables) as server:
            disturbances = Disturbances(
                processes,
                store,
                board,
                publishing,
                workers(server),
                metrics,
                lambda: next_worker(server),
            )
            with publishing.going_on():
                outcome, memory = _soak(server.address, board, disturbances)
            counted = sum((disturbances.counted(worker) for worker in (0, 1)), Counter[str]())
        _report(outcome, disturbances, memory, counted)
        found = {feed.spec.reference: publishing.verify(feed) for feed in FEEDS}

    assert outcome.wrong == []
    assert outcome.answered.keys() >= _KINDS
    unaccounted = [each for each in outcome.refusals if not disturbances.accounts_for(*each[:2])]
    assert unaccounted == []
    assert {status for _, _, status in outcome.refusals} <= _REFUSALS
    _compare(outcome, counted, disturbances.lost)
    assert all(proof.is_clean for proof in found.values()), found
    assert all(_growth(each) <= _GROWTH_BYTES for each in memory.values())


def _compare(outcome: Outcome, counted: Counter[str], lost: Counter[str]) -> None:
    """What callers saw is what the servers counted.

    Of a killed worker's calls those are known that it had counted shortly before; a refusal that
    no server counted was one of a connection.
    """
    answered, refused = outcome.answered.total() + len(outcome.wrong), len(outcome.refusals)
    unknown = answered - counted["OK"] - lost["OK"]
    # What a worker answered between its last word and its end, less what nobody received of it.
    assert -refused <= unknown <= _RATE * _UNCOUNTED_SECONDS
    assert (counted + lost).total() - counted["OK"] - lost["OK"] <= refused


_UNCOUNTED_SECONDS = 2
_KINDS = {
    how + kind
    for how in ("", "streamed ")
    for kind in (*("one", "many", "groups", "service", "visits", "unknown", "max_age", "pinned"),)
}


def _soak(
    address: str, board: Board, disturbances: Disturbances
) -> tuple[Outcome, dict[int, list[int]]]:
    """Call and disturb; what callers saw, and the memory over time of the workers of the end."""
    started = multiprocessing.get_context("spawn")
    over, said = started.Event(), started.Queue()
    callers = [
        started.Process(
            target=load, args=(address, board, _RATE / _PROCESSES, number * CALLERS, over, said)
        )
        for number in range(_PROCESSES)
    ]
    memory: dict[int, list[int]] = {}
    for process in callers:
        process.start()
    try:
        began = time.monotonic()
        for share, disturb in _plan(disturbances):
            _watch_memory(memory, disturbances, began + share * _SECONDS)
            disturb()
        _watch_memory(memory, disturbances, began + _SECONDS)
    finally:
        over.set()
    whole = Outcome()
    for _ in callers:
        outcome = said.get(timeout=60)
        whole.answered += outcome.answered
        whole.refusals += outcome.refusals
        whole.wrong += outcome.wrong
    for process in callers:
        process.join()
    return whole, {pid: memory[pid] for pid in disturbances.pids.values()}


def _plan(disturbances: Disturbances) -> list[tuple[float, Callable[[], None]]]:
    """What happens, after which share of the time."""
    return [
        (0.10, disturbances.promote),
        (0.20, disturbances.restart_store),
        (0.30, disturbances.kill_worker),
        (0.45, disturbances.roll_back),
        (0.60, disturbances.restart_store),
        (0.75, disturbances.promote),
    ]


def _watch_memory(memory: dict[int, list[int]], disturbances: Disturbances, end: float) -> None:
    while time.monotonic() < end:
        for pid in disturbances.pids.values():
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            memory.setdefault(pid, []).append(pages * os.sysconf("SC_PAGE_SIZE"))
        time.sleep(min(0.5, max(0.0, end - time.monotonic())))


def _growth(sizes: list[int]) -> float:
    """From the median of the second fifth of a process's life to that of the last one.

    None is known of a process that has only just begun, as in a run of a few seconds.
    """
    fifth = len(sizes) // 5
    if fifth == 0:
        return 0
    return statistics.median(sizes[-fifth:]) - statistics.median(sizes[fifth : 2 * fifth])


def _report(
    outcome: Outcome,
    disturbances: Disturbances,
    memory: dict[int, list[int]],
    counted: Counter[str],
) -> None:
    refused = Counter(status for _, _, status in outcome.refusals)
    board, publishing = disturbances.board, disturbances.publishing
    lines = [
        f"{outcome.answered.total() / _SECONDS:.0f} lookups/s: {dict(outcome.answered)}",
        f"refused: {dict(refused)}",
        f"counted by the workers: {dict(counted)}, and by the killed one {dict(disturbances.lost)}",
        *(f"{each.what}: for {each.ended - each.began:.1f} s" for each in disturbances.happened),
        f"steps: {list(board.finished)}, interrupted: {publishing.interrupted}",
        *(f"a worker grew by {_growth(sizes) / _MIB:+.2f} MiB" for sizes in memory.values()),
    ]
    sys.stdout.write("\n".join(("", *lines, "")))


def _two_free_ports() -> int:
    """The first of two neighbours that are free just now."""
    while True:
        port = free_port()
        with socket.socket() as neighbour, suppress(OSError):
            neighbour.bind(("127.0.0.1", port + 1))
            return port
