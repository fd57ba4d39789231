"""How spans become OTLP: loaded where a receiver is configured, and nowhere else.

The SDK reads the usual variables itself: `OTEL_EXPORTER_OTLP_ENDPOINT`, `_HEADERS`, `_TIMEOUT`,
`_CERTIFICATE`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`.
"""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from .tracing import Note, Value

_SECONDS = 3.0  # that a receiver has to answer, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise
_LOW = (1 << 64) - 1


@contextmanager
def span(
    name: str, attributes: Mapping[str, Value], *, run_id: str | None = None
) -> Iterator[Note]:
    """A span below the current one, or below the run of this id."""
    parent = None if run_id is None else _below_run(run_id)
    tracer = _provider().get_tracer("headrace")
    with tracer.start_as_current_span(name, parent, attributes=_named(attributes)) as current:

        def note(**found: Value) -> None:
            current.set_attributes(_named(found))

        yield note


def record_run(
    run_id: str,
    lasted: tuple[datetime, datetime],
    failure: str | None,
    attributes: Mapping[str, Value],
) -> None:
    """Record the span of a run, which all of its steps name as their parent."""
    start, end = (round(each.timestamp() * 1e9) for each in lasted)
    ids = _RunIds(run_id)
    provider = TracerProvider(
        resource=_provider().resource, id_generator=ids, shutdown_on_exit=False
    )
    provider.add_span_processor(_processor())
    root = provider.get_tracer("headrace").start_span(
        "run", Context(), attributes=_named(attributes), start_time=start
    )
    root.set_status(Status(StatusCode.OK) if failure is None else Status(StatusCode.ERROR, failure))
    root.end(end)


def flush() -> None:
    """Send what was recorded: a process that ends, or is killed, would forget it."""
    _provider().force_flush()


def close() -> None:
    """Send what was recorded, and look anew for a receiver when there is something again."""
    _provider().shutdown()
    _provider.cache_clear()
    _processor.cache_clear()


class _RunIds(RandomIdGenerator):
    """The ids by which the span of a run is known before it is recorded."""

    def __init__(self, run_id: str) -> None:
        self._trace, self._span = _ids(run_id)

    def generate_trace_id(self) -> int:
        return self._trace

    def generate_span_id(self) -> int:
        return self._span


def _ids(run_id: str) -> tuple[int, int]:
    """The trace and the root span of a run: its UUID, and the lower half of it."""
    trace = uuid.UUID(run_id).int
    return trace, trace & _LOW or 1


def _below_run(run_id: str) -> Context:
    trace, root = _ids(run_id)
    context = SpanContext(trace, root, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(context))


@cache
def _processor() -> BatchSpanProcessor:
    is_told = any("OTLP" in name and name.endswith("_TIMEOUT") for name in os.environ)
    return BatchSpanProcessor(OTLPSpanExporter(timeout=None if is_told else _SECONDS))


@cache
def _provider() -> TracerProvider:
    named = "OTEL_SERVICE_NAME" in os.environ or SERVICE_NAME in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    provider = TracerProvider(
        resource=Resource.create({} if named else {SERVICE_NAME: "headrace-pipeline"})
    )
    provider.add_span_processor(_processor())
    return provider


def _named(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {f"headrace.{name}": value for name, value in attributes.items()}
