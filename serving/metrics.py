"""What the server counts, and how Prometheus is told.

Counting is plain arithmetic under one lock, because it lies on the path of every lookup; metrics of
prometheus_client are made of it at a scrape. The registry is this object's own: nothing is global.
"""

import platform
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version

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

BREAKER_STATES = ("closed", "open", "half_open")

_CALL_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_HOUR, _DAY = 3600, 86400
_AGE_SECONDS = (
    *(0, 60, 300, 900, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(days * _DAY for days in (1, 2, 3, 7, 14, 30, 90)),
)
_COUNTS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 100_000)
_ROW_STATUSES = ("present", "not_found", "stale", "error")


class Histogram:
    """Counts by upper bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Begin empty; a value equal to a bound lies below it."""
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def state(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulated counts by bound as Prometheus spells it, and the sum."""
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), total))
        return buckets, self._sum


class Metrics:
    """The observer of one process; any thread may call it."""

    def __init__(self, transport: str = "") -> None:
        """Begin at zero; the transport is part of what the build says of itself."""
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], Histogram] = {}
        self._rows: dict[str, list[int]] = {}
        self._ages: dict[str, Histogram] = {}
        self._batch_keys, self._batch_readings = Histogram(_COUNTS), Histogram(_COUNTS)
        self._batch_seconds = Histogram(_CALL_SECONDS)
        self._breaker, self._breaker_changes = "closed", 0
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._group_ages: Mapping[str, float] = {}
        self._transport = transport
        self._registry = CollectorRegistry()
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def answered(self, method: str, status: str, seconds: float) -> None:
        """Count a call."""
        with self._lock:
            histogram = self._calls.get((method, status))
            if histogram is None:
                histogram = self._calls[method, status] = Histogram(_CALL_SECONDS)
            histogram.add(seconds)

    def batch(self, keys: int, readings: int, seconds: float) -> None:
        """Count a read of the store."""
        with self._lock:
            self._batch_keys.add(keys)
            self._batch_readings.add(readings)
            self._batch_seconds.add(seconds)

    def rows(  # noqa: PLR0917  # as in Observer
        self,
        group: str,
        present: int,
        not_found: int,
        stale: int,
        error: int,
        oldest_age_seconds: float | None,
    ) -> None:
        """Count the rows of one group in one answer."""
        with self._lock:
            rows = self._rows.get(group)
            if rows is None:
                rows = self._rows[group] = [0] * len(_ROW_STATUSES)
                self._ages[group] = Histogram(_AGE_SECONDS)
            rows[0] += present
            rows[1] += not_found
            rows[2] += stale
            rows[3] += error
            if oldest_age_seconds is not None:
                self._ages[group].add(oldest_age_seconds)

    def breaker(self, state: str) -> None:
        """Keep the breaker's state."""
        with self._lock:
            self._breaker_changes += state != self._breaker
            self._breaker = state

    def gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read at each scrape, from the thread that scrapes."""
        self._gauges.append((name, documentation, read))

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
        yield from (state, changes)

    def _read_gauges(self) -> Iterable[Metric]:
        ages = GaugeMetricFamily(
            "headrace_group_age_seconds",
            "Age of the newest event timestamp that is served of a group.",
            labels=("group",),
        )
        for group, seconds in self._group_ages.items():
            ages.add_metric((group,), seconds)
        yield ages
        for name, documentation, read in self._gauges:
            yield GaugeMetricFamily(name, documentation, value=read())
