"""Requests of runs that compute neighbouring partitions together."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from ..contract.partitions import Partitioning


def range_requests(
    key: dg.AssetKey, partitions: Sequence[str], partitioning: Partitioning
) -> Iterator[dg.RunRequest]:
    """One request for each unbroken range among these partitions, given in time's order."""
    for first, last in _ranges(partitions, partitioning):
        yield dg.RunRequest(
            asset_selection=[key],
            tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
        )


def is_planned(instance: dg.DagsterInstance, key: dg.AssetKey) -> bool:
    """Whether a run that has not ended yet is to compute the asset."""
    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
    )
    return any(
        run.asset_selection is None or key in run.asset_selection
        for run in instance.get_runs(unfinished)
    )


def _ranges(partitions: Sequence[str], partitioning: Partitioning) -> Iterator[tuple[str, str]]:
    if not partitions:
        return
    first = partitions[0]
    for before, after in pairwise(partitions):
        if partitioning.window(before).end != partitioning.window(after).start:
            yield first, before
            first = after
    yield first, partitions[-1]
