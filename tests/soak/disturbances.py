"""What goes on beside the lookups of a soak: publishes, flips, restarts of the store, a kill."""

import os
import re
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from headrace.contract.errors import HistoryLostError, StoreUnavailableError
from headrace.contract.feature_group import FeatureServiceSpec
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import feature_table
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.publisher import publish_partition
from headrace.resources.online.registry import Registry
from headrace.resources.online.verification import Verification, verify_group
from headrace.tests.resources.online.publishing import key_of
from headrace.tests.soak.model import (
    FEEDS,
    PROFILE,
    SERVICE,
    SERVICE_FEATURES,
    SPEND_1,
    SPEND_2,
    VISITS,
    Board,
    Feed,
)
from headrace.tests.valkey_processes import Process, Processes, until

if TYPE_CHECKING:
    from headrace.resources.offline.offline_table import OfflineTable

NAMESPACE = "soak"
_PATIENCE_SECONDS = 120
_BETWEEN_SECONDS = 0.5
_LOADING = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")


class Publishing:
    """Publishes one step after the other, of each feed in turn; waits for a store that is away."""

    def __init__(self, url: str, folder: Path, board: Board) -> None:
        """Publish the first step of all feeds but the second version."""
        self._online, offline = OnlineStore(url, NAMESPACE), OfflineStore(str(folder))
        self.registry, self._board = Registry(self._online, offline), board
        self._tables: dict[Feed, OfflineTable] = {
            feed: offline.table(feature_table(feed.spec)) for feed in FEEDS
        }
        self._feeds = [SPEND_1, PROFILE, VISITS]
        self.interrupted = 0
        for feed in self._feeds:
            self.publish_next(feed)
        service = FeatureServiceSpec(SERVICE, 1, SERVICE_FEATURES, ("team:test",))
        self.registry.register_services([service])

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Publish in a thread, until the end of the block."""
        over, failed = threading.Event(), list[BaseException]()

        def run() -> None:
            try:
                while not over.is_set():
                    for feed in tuple(self._feeds):
                        self.publish_next(feed)
                        over.wait(_BETWEEN_SECONDS)
            except BaseException as error:  # noqa: BLE001  # raised again below
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if failed:
            raise failed[0]

    def publish_next(self, feed: Feed) -> None:
        """Commit and publish a feed's next step."""
        step, table = self._board.begun[feed.place] + 1, self._tables[feed]
        rows = [
            (*feed.keys(entity), at, *values) for entity, (at, values) in feed.rows(step).items()
        ]
        commit = table.commit(
            key_of(1 + step // 2),
            pl.DataFrame(rows, schema=table.spec.schema, orient="row"),
            identity=f"step {step}",
            run_id="soak",
            code_version="1",
            verdicts={},
            publish="auto",
        )
        self._board.record(feed, step, commit.version)
        self._patiently(lambda: self._publish(feed, commit.partition))
        self._board.finished[feed.place] = step

    def add(self, feed: Feed) -> None:
        """Publish this feed, too, from now on; returns once it is."""
        self._feeds.append(feed)
        until(lambda: self._board.finished[feed.place] >= 0, _PATIENCE_SECONDS)

    def verify(self, feed: Feed) -> Verification:
        """Compare all that is stored of a feed with what is committed, after a reconciliation."""
        for partition in self._tables[feed].snapshot().commits:
            self._publish(feed, partition)
        return verify_group(feed.spec, self._tables[feed], self._online, self.registry, sample=None)

    def _publish(self, feed: Feed, partition: str) -> None:
        publish_partition(
            feed.spec, self._tables[feed], partition, online=self._online, registry=self.registry
        )

    def _patiently(self, publish: Callable[[], None]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return publish()
            except (HistoryLostError, StoreUnavailableError):
                assert time.monotonic() < deadline, "the store never came back"
                self.interrupted += 1
                time.sleep(0.1)


@dataclass(frozen=True)
class Disturbance:
    """When calls may be refused (monotonic seconds), and why."""

    what: str
    began: float
    ended: float


@dataclass
class Disturbances:
    """What is done to a server of two workers, and to its store, one thing after the other.

    Attributes:
        pids: The worker processes of today, by number.
        metrics: Where worker 0 shows its metrics; the next worker does at the next port.
        lost: What workers had counted shortly before they were killed, as `counted` has it.
    """

    processes: Processes
    store: Process
    board: Board
    publishing: Publishing
    pids: dict[int, int]
    metrics: int
    next_worker: Callable[[], int]
    happened: list[Disturbance] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)

    def promote(self) -> None:
        """Make the second version live; it is published first if it never was."""
        if self.board.finished[SPEND_2.place] < 0:
            self.publishing.add(SPEND_2)
        self._flip(lambda: self.publishing.registry.go_live({SPEND_2.spec.name: 2}))

    def roll_back(self) -> None:
        """Make the first version live again."""
        self._flip(lambda: self.publishing.registry.roll_back({SPEND_1.spec.name: 1}))

    def restart_store(self) -> None:
        """Kill the store, and start it again on what it had written."""
        with self._disturbing("the store is restarted"):
            self.store.kill()
            self.store = start_store(self.processes, self.store.port)
            until(lambda: all(map(self._is_well, self.pids)), _PATIENCE_SECONDS)

    def kill_worker(self) -> None:
        """Kill a worker; its supervisor starts another one."""
        with self._disturbing("a worker is killed"):
            self.lost += self.counted(0)
            os.kill(self.pids[0], signal.SIGKILL)
            self.pids[0] = self.next_worker()

    def accounts_for(self, began: float, ended: float) -> bool:
        """Whether a call that was refused then was under way during a disturbance."""
        return any(each.began <= ended and began <= each.ended for each in self.happened)

    def _flip(self, flip: Callable[[], None]) -> None:
        self.board.flips_begun[0] += 1
        flip()
        flipped = time.monotonic()
        until(lambda: all(self._has_looked_since(worker, flipped) for worker in self.pids))
        self.board.flips_finished[0] += 1

    @contextmanager
    def _disturbing(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        # Connections that broke are made again meanwhile: clients wait half a second at most.
        self.happened.append(Disturbance(what, began, time.monotonic() + 2))

    def _has_looked_since(self, worker: int, instant: float) -> bool:
        asked = time.monotonic()
        return self._metric(worker, "headrace_catalogue_age_seconds") < asked - instant

    def _is_well(self, worker: int) -> bool:
        return self._metric(worker, 'headrace_store_breaker{state="closed"}') == 1

    def counted(self, worker: int) -> Counter[str]:
        """How many lookups a worker has answered, or refused, by their statuses."""
        lookups = re.findall(
            r'^headrace_call_seconds_count\{method="\w+OnlineFeatures",status="(\w+)"\} (\S+)$',
            self._shown(worker),
            re.MULTILINE,
        )
        found = Counter[str]()
        for status, count in lookups:
            found[status] += int(float(count))
        return found

    def _metric(self, worker: int, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self._shown(worker), re.MULTILINE)
        assert found is not None, f"no {name}"
        return float(found[1])

    def _shown(self, worker: int) -> str:
        url = f"http://127.0.0.1:{self.metrics + worker}/metrics"
        with urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS) as shown:
            text: str = shown.read().decode()
        return text


def start_store(processes: Processes, port: int | None = None) -> Process:
    """A Valkey that keeps what it confirms, or, at its port, the one that was killed."""
    return processes.start(*_LOADING, port=port)
