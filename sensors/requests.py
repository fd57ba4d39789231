"""Requests of runs that compute neighbouring partitions together."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from ..contract.partitions import Partitioning

_LONG = timedelta(hours=6)
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def range_requests(
    key: dg.AssetKey, partitions: Sequence[str], partitioning: Partitioning
) -> Iterator[dg.RunRequest]:
    """One request for each unbroken range among these partitions, given in time's order."""
    for together in unbroken(partitions, partitioning):
        yield range_request(key, together)


def range_request(
    key: dg.AssetKey,
    together: Sequence[str],
    *,
    run_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.RunRequest:
    """The request of a run over neighbours; Dagster never grants the same `run_key` twice."""
    bounds = {
        ASSET_PARTITION_RANGE_START_TAG: together[0],
        ASSET_PARTITION_RANGE_END_TAG: together[-1],
    }
    return dg.RunRequest(run_key=run_key, asset_selection=[key], tags={**bounds, **(tags or {})})


def unbroken(partitions: Sequence[str], partitioning: Partitioning) -> Iterator[list[str]]:
    """The unbroken ranges among partitions that are given in time's order."""
    if not partitions:
        return
    together = [partitions[0]]
    for before, after in pairwise(partitions):
        if partitioning.window(before).end != partitioning.window(after).start:
            yield together
            together = []
        together.append(after)
    yield together


def is_planned(instance: dg.DagsterInstance, key: dg.AssetKey) -> bool:
    """Whether a run that goes on, or will, is to compute the asset."""
    unfinished = instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED))
    return any(
        goes_on(record)
        and (
            record.dagster_run.asset_selection is None or key in record.dagster_run.asset_selection
        )
        for record in unfinished
    )


def goes_on(record: dg.RunRecord) -> bool:
    """Whether a run waits for its turn, or may still be alive.

    A machine that dies leaves its runs as they were: for ever begun. One that began long ago counts
    as dead. If it is not, what is asked for once more waits for its table, and commits nothing.
    """
    run = record.dagster_run
    if run.status is dg.DagsterRunStatus.QUEUED:
        return True
    return not run.is_finished and datetime.now(UTC) - record.update_timestamp < _LONG
