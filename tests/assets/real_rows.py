"""The demonstration's inputs of one partition, read from the source: no store, no Dagster."""

from datetime import datetime
from functools import cache

import polars as pl

from headrace.assets.declarations import Dimension, FeatureGroup, Input, Source


def end_of(group: FeatureGroup, partition: str) -> datetime:
    """When a partition of a group ends."""
    return group.partitions.window(partition).end


@cache
def inputs_of(group: FeatureGroup, partition: str) -> dict[str, pl.DataFrame]:
    """What a group's function sees of a partition."""
    windows = {each.input.name: each.window for each in group.input_windows(partition)}
    frames = {}
    for each in group.inputs:
        match each:
            case Dimension():
                frames[each.name] = each().collect()
            case Input(upstream=Source() as source):
                window = windows[each.name]
                frames[each.name] = source(window.start, window.end).collect()
    return frames


def computed(group: FeatureGroup, partition: str) -> pl.DataFrame:
    """A group's rows of a partition, checked by its schema and sorted by its key."""
    rows = group(end=end_of(group, partition), **inputs_of(group, partition)).collect()
    return group.schema.validate(rows, lazy=True).sort(group.spec.entity.key_names)


def cents(amount: float) -> int:
    """Dollars in whole cents."""
    return round(amount * 100)
