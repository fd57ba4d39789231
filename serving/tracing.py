"""Spans of calls, exported over OTLP; only imported where an endpoint is configured.

Whether a call is sampled is decided before anything is made of it: one whose caller has a trace
belongs to that trace if it is sampled, any other one begins a trace with a certain probability.
"""

import random
from collections.abc import Iterable
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..contract.proto.headrace.v1 import feature_service_pb2
from .settings import TraceSettings

_SERVICE = feature_service_pb2.DESCRIPTOR.services_by_name["FeatureService"].full_name
_PARENT_LENGTH = 55  # of a traceparent as W3C has it today, which ends with its flags
_NOT_SAMPLED = frozenset("02468ace")
_HEADERS = frozenset({"traceparent", "tracestate"})
_THE_CALLERS_FAULT = frozenset(
    {"INVALID_ARGUMENT", "NOT_FOUND", "CANCELLED", "UNAUTHENTICATED", "PERMISSION_DENIED"}
)


class CallSpan:
    """The span of one call that is sampled."""

    def __init__(self, span: Span) -> None:
        """Begin it now."""
        self._span = span

    def ended(self, status: str) -> None:
        """End it with the name of a gRPC status."""
        self._span.set_attribute("rpc.response.status_code", status)
        if status != "OK" and status not in _THE_CALLERS_FAULT:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Tracing:
    """The spans of one process; nothing is global. Any thread may call it."""

    def __init__(self, settings: TraceSettings) -> None:
        """Begin to export in a thread of its own; further `OTEL_…` variables are respected."""
        self._ratio = settings.ratio
        self._propagator = TraceContextTextMapPropagator()
        resource = Resource.create(
            {"service.name": "headrace-serving", "service.version": version("headrace")}
        )
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource)
        exporter = OTLPSpanExporter(endpoint=settings.endpoint)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("headrace.serving")

    def began(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> CallSpan | None:
        """The span of a call that begins now; `None` when the call is not sampled.

        Args:
            method: As the observer is told of it.
            metadata: The call's metadata or headers, names in lower case.
        """
        context = self._sampled(metadata)
        if context is None:
            return None
        is_http = method.startswith(("GET ", "POST "))
        span = self._tracer.start_span(
            method if is_http else f"{_SERVICE}/{method}",
            context=context,
            kind=SpanKind.SERVER,
            attributes=(
                dict(zip(("http.request.method", "http.route"), method.split(" "), strict=True))
                if is_http
                else {"rpc.system.name": "grpc", "rpc.method": f"{_SERVICE}/{method}"}
            ),
        )
        return CallSpan(span)

    def _sampled(self, metadata: Iterable[tuple[str, str | bytes]]) -> Context | None:
        """What a call that is sampled belongs to; `None` of any other call."""
        carrier = {
            name: value for name, value in metadata if name in _HEADERS and isinstance(value, str)
        }
        parent_id = carrier.get("traceparent", "")
        if len(parent_id) == _PARENT_LENGTH and parent_id[-1] in _NOT_SAMPLED:
            return None  # most calls of a caller who traces: not worth taking it apart
        context = self._propagator.extract(carrier) if carrier else Context()
        parent = get_current_span(context).get_span_context()
        if parent.is_valid:
            return context if parent.trace_flags.sampled else None
        return context if random.random() < self._ratio else None  # noqa: S311  # no secret depends on it

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()
