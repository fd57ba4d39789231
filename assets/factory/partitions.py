"""Partitions as Dagster knows them: only those that are over at the clock exist."""

from datetime import timedelta

import dagster as dg

from ...contract.clock import Clock
from ...contract.partitions import DAILY, HOURLY, Partitioning
from ..declarations import Input
from ..partitions import PARTITIONS_A_RUN, Partitioned

_DEFINITIONS: dict[
    Partitioning, type[dg.DailyPartitionsDefinition | dg.HourlyPartitionsDefinition]
] = {DAILY: dg.DailyPartitionsDefinition, HOURLY: dg.HourlyPartitionsDefinition}


def partitions_definition(history: Partitioned, clock: Clock) -> dg.TimeWindowPartitionsDefinition:
    """The partitions of a history; a frozen clock ends them, however late it really is."""
    end = None if clock.frozen_at is None else history.partitions.floor(clock.frozen_at)
    return _DEFINITIONS[history.partitions](
        start_date=history.start, end_date=end, timezone="UTC", fmt=history.partitions.key_format
    )


def backfills_in_chunks() -> dg.BackfillPolicy:
    """Many partitions to a run, but not a history: what is due today goes in between.

    Assets that one run computes together have to agree on it.
    """
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=PARTITIONS_A_RUN)


def is_same_partition(each: Input, partitions: Partitioning) -> bool:
    """Whether a partition reads of this input nothing but the one partition of its own window."""
    return each.upstream.partitions == partitions and each.length in (None, partitions.length)


def window_mapping(
    length: timedelta | None, partitions: Partitioning
) -> dg.TimeWindowPartitionMapping:
    """Which partitions of an input lie in the `length` before a partition's end.

    Dagster shifts windows by whole partitions of the reader: where an hourly input is read over a
    length that is none, it sees up to one more. What is computed without need commits nothing.
    """
    reach = partitions.length if length is None else length
    return dg.TimeWindowPartitionMapping(
        start_offset=1 + reach // -partitions.length, allow_nonexistent_upstream_partitions=True
    )
