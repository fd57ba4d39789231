"""The spans of steps, as Dagster knows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import dagster as dg

from ...resources.tracing import Note, step_span

_Event = TypeVar("_Event")


@contextmanager
def traced_step(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Iterator[Note]:
    """The span of the step that is under way, in the trace of its run."""
    step = context.get_step_execution_context().step.key
    with step_span(
        context.run.run_id,
        step.replace("__", "/"),
        run_id=context.run.run_id,
        partitions=_partitions(context),
        attempt=context.retry_number + 1,
    ) as note:
        yield note


def traced(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, events: Iterator[_Event]
) -> Iterator[_Event]:
    """The events of a step, and its span around them."""
    with traced_step(context):
        yield from events


def _partitions(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> str:
    if not context.has_partition_key_range:
        return context.partition_key if context.has_partition_key else ""
    first, last = context.partition_key_range
    return first if first == last else f"{first}..{last}"
