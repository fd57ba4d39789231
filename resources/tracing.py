"""Spans of runs, steps, commits and publishes, sent over OTLP where a receiver is configured.

A run is one trace: its id, a UUID, is the trace's id, so that steps in processes of their own need
be told nothing to join it. Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing is imported or recorded.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol, TypeAlias

Value: TypeAlias = str | int | bool

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Note(Protocol):
    """Adds attributes to a span whose work has found them."""

    def __call__(self, **attributes: Value) -> None:
        """Add them; `table_version` becomes `headrace.table_version`."""


def is_traced() -> bool:
    """Whether somebody wants to see what happens here."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_off and any(os.environ.get(name) for name in _ENDPOINTS)


@contextmanager
def span(name: str, /, **attributes: Value) -> Iterator[Note]:
    """A piece of work within the one that is under way; an exception is recorded and goes on."""
    if not is_traced():
        yield _ignore
        return
    from . import trace_export  # noqa: PLC0415 - nobody pays for what nobody sees

    with trace_export.span(name, attributes) as note:
        yield note


@contextmanager
def step_span(run_id: str, step: str, /, **attributes: Value) -> Iterator[Note]:
    """A step of a run, in the run's trace; what was recorded in it is sent when it ends.

    A receiver that does not answer costs a few seconds, and fails nothing.
    """
    if not is_traced():
        yield _ignore
        return
    from . import trace_export  # noqa: PLC0415

    try:
        with trace_export.span(f"step {step}", attributes, run_id=run_id) as note:
            yield note
    finally:
        trace_export.flush()


def record_run(
    run_id: str, /, *, start: datetime, end: datetime, failure: str | None, **attributes: Value
) -> None:
    """Record a run that has ended: the root of its trace.

    Recorded by whoever sees it end, in whichever process; `failure` says how it failed, if it did.
    """
    if is_traced():
        from . import trace_export  # noqa: PLC0415

        trace_export.record_run(run_id, (start, end), failure, attributes)
        trace_export.flush()


def _ignore(**attributes: Value) -> None:
    """Take no notice."""
