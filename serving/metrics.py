"""What the server counts, and how Prometheus is told.

Counting lies on the path of every lookup, so what happened is only put down there, without a lock,
and added up a thousand at a time. Metrics of prometheus_client are made of the sums at a scrape.
The registry is this object's own: nothing is global.
"""

import platform
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TypeVar

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from .observing import Tally

BREAKER_STATES = ("closed", "open", "half_open")

_CALL_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_HOUR, _DAY = 3600, 86400
_AGE_SECONDS = (
    *(0, 60, 300, 900, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(days * _DAY for days in (1, 2, 3, 7, 14, 30, 90)),
)
_COUNTS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 100_000)
_AT_ONCE = 1024
_Item = TypeVar("_Item")
_ROW_STATUSES = ("present", "not_found", "stale", "error")


def _taken(put_down: deque[_Item]) -> list[_Item]:
    """What was put down so far; more may be put down meanwhile."""
    return [put_down.popleft() for _ in range(len(put_down))]


class Histogram:
    """Counts by upper bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Begin empty; a value equal to a bound lies below it."""
        self._bounds, self._sum = bounds, 0.0
        self._counts = np.zeros(len(bounds) + 1, np.int64)

    def add(self, values: Sequence[float]) -> None:
        """Count values."""
        places = np.searchsorted(self._bounds, values, side="left")
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += sum(values)

    def state(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulated counts by bound as Prometheus spells it, and the sum."""
        bounds = (*(str(float(bound)) for bound in self._bounds), "+Inf")
        return list(zip(bounds, self._counts.cumsum().tolist(), strict=True)), self._sum


def group_age_metric(ages: Mapping[str, float]) -> Metric:
    """How old what is served of each group is, in seconds, by `name@version`."""
    metric = GaugeMetricFamily(
        "headrace_group_age_seconds",
        "Age of the newest event timestamp that is served of a group.",
        labels=("group",),
    )
    for group, seconds in ages.items():
        metric.add_metric((group,), seconds)
    return metric


class Metrics:
    """The observer of one process; any thread may call it."""

    def __init__(self, transport: str = "") -> None:
        """Begin at zero; the transport is part of what the build says of itself."""
        self._lock = threading.Lock()
        self._answered: deque[tuple[str, str, float]] = deque()
        self._answers: deque[Tally] = deque()
        self._batches: deque[tuple[int, int, float]] = deque()
        self._calls: dict[tuple[str, str], Histogram] = {}
        self._rows: dict[str, list[int]] = {}
        self._ages: dict[str, Histogram] = {}
        self._batch_keys, self._batch_readings = Histogram(_COUNTS), Histogram(_COUNTS)
        self._batch_seconds = Histogram(_CALL_SECONDS)
        self._breaker, self._breaker_changes = "closed", 0
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._events: Callable[[], Mapping[str, int]] = dict
        self._group_ages: Mapping[str, float] = {}
        self._transport = transport
        self._registry = CollectorRegistry()
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def answered(self, method: str, status: str, seconds: float) -> None:
        """Count a call."""
        self._answered.append((method, status, seconds))
        if len(self._answered) >= _AT_ONCE:
            self._add_up()

    def batch(self, keys: int, readings: int, seconds: float) -> None:
        """Count a read of the store."""
        self._batches.append((keys, readings, seconds))
        if len(self._batches) >= _AT_ONCE:
            self._add_up()

    def rows(self, tally: Tally) -> None:
        """Count the rows of one group in one answer."""
        self._answers.append(tally)
        if len(self._answers) >= _AT_ONCE:
            self._add_up()

    def breaker(self, state: str) -> None:
        """Keep the breaker's state."""
        with self._lock:
            self._breaker_changes += state != self._breaker
            self._breaker = state

    def gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read at each scrape, from the thread that scrapes."""
        self._gauges.append((name, documentation, read))

    def events(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Show what happened with the store and how often, as it stands at each scrape."""
        self._events = read

    def exposition(self, accept: str, ages: Mapping[str, float]) -> tuple[bytes, str]:
        """Everything in the format that a scraper's `Accept` header asks for, and its name.

        Args:
            accept: The header.
            ages: How old what is served of each group is, in seconds, by `name@version`.
        """
        encode, content_type = choose_encoder(accept)
        self._group_ages = ages
        return encode(self._registry), content_type

    def collect(self) -> Iterable[Metric]:
        """What prometheus_client asks of a collector."""
        self._add_up()
        with self._lock:
            counted = [*self._call_metrics(), *self._row_metrics(), *self._store_metrics()]
        build = InfoMetricFamily("headrace_build", "What runs.")
        build.add_metric(
            (),
            {
                "version": version("headrace"),
                "grpcio": version("grpcio"),
                "python": platform.python_version(),
                "transport": self._transport,
            },
        )
        return [build, *counted, *self._read_gauges()]

    def _add_up(self) -> None:
        with self._lock:
            self._add_up_calls()
            self._add_up_rows()
            if self._batches:
                keys, readings, seconds = zip(*_taken(self._batches), strict=True)
                self._batch_keys.add(keys)
                self._batch_readings.add(readings)
                self._batch_seconds.add(seconds)

    def _add_up_calls(self) -> None:
        took: dict[tuple[str, str], list[float]] = {}
        for method, status, seconds in _taken(self._answered):
            took.setdefault((method, status), []).append(seconds)
        for labels, values in took.items():
            self._calls.setdefault(labels, Histogram(_CALL_SECONDS)).add(values)

    def _add_up_rows(self) -> None:
        by_group: dict[str, list[Tally]] = {}
        for answer in _taken(self._answers):
            by_group.setdefault(answer[0], []).append(answer)
        for group, answers in by_group.items():
            _, *counts, ages = zip(*answers, strict=True)
            rows = self._rows.get(group, [0] * len(_ROW_STATUSES))
            self._rows[group] = [a + sum(b) for a, b in zip(rows, counts, strict=True)]
            known = [age for age in ages if age is not None]
            self._ages.setdefault(group, Histogram(_AGE_SECONDS)).add(known)

    def _call_metrics(self) -> Iterable[Metric]:
        calls = HistogramMetricFamily(
            "headrace_call_seconds", "Answered calls.", labels=("method", "status")
        )
        for labels, histogram in self._calls.items():
            calls.add_metric(labels, *histogram.state())
        yield calls

    def _row_metrics(self) -> Iterable[Metric]:
        rows = CounterMetricFamily(
            "headrace_rows", "Rows asked for, by what became of them.", labels=("group", "status")
        )
        ages = HistogramMetricFamily(
            "headrace_served_age_seconds",
            "Age of the oldest row of a group in an answer.",
            labels=("group",),
        )
        for group, counts in self._rows.items():
            for status, count in zip(_ROW_STATUSES, counts, strict=True):
                rows.add_metric((group, status), count)
            ages.add_metric((group,), *self._ages[group].state())
        yield from (rows, ages)

    def _store_metrics(self) -> Iterable[Metric]:
        for name, documentation, histogram in (
            ("headrace_store_batch_keys", "Keys of one read of the store.", self._batch_keys),
            ("headrace_store_batch_readings", "Calls that one read serves.", self._batch_readings),
            ("headrace_store_read_seconds", "One read of the store.", self._batch_seconds),
        ):
            metric = HistogramMetricFamily(name, documentation)
            metric.add_metric((), *histogram.state())
            yield metric
        state = GaugeMetricFamily(
            "headrace_store_breaker", "1 for the state that the breaker is in.", labels=("state",)
        )
        for name in BREAKER_STATES:
            state.add_metric((name,), name == self._breaker)
        changes = CounterMetricFamily(
            "headrace_store_breaker_changes", "How often the breaker changed its state."
        )
        changes.add_metric((), self._breaker_changes)
        events = CounterMetricFamily(
            "headrace_store_events", "What happened with the store.", labels=("event",)
        )
        for name, count in self._events().items():
            events.add_metric((name,), count)
        yield from (state, changes, events)

    def _read_gauges(self) -> Iterable[Metric]:
        yield group_age_metric(self._group_ages)
        for name, documentation, read in self._gauges:
            yield GaugeMetricFamily(name, documentation, value=read())
