"""Right declarations, one keyword of which a test may change for the worse."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    Entity,
    EventTimestamp,
    dimension,
    feature_group,
    source,
    trailing,
)
from headrace.assets.declarations import FeatureGroup, Source

USER = Entity("user", join_keys={"user_id": pl.Int64})


class Clicks(pa.DataFrameModel):
    user_id: int
    clicked_at: EventTimestamp


class UserClicks(pa.DataFrameModel):
    user_id: int
    clicks: int


class Topics(pa.DataFrameModel):
    topic: str


def read(start: datetime, end: datetime) -> pl.LazyFrame:
    return pl.LazyFrame({"user_id": [1], "clicked_at": [start]}).filter(pl.col("clicked_at") < end)


def compute(clicks: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    return clicks.filter(pl.col("clicked_at") < end).group_by("user_id").agg(clicks=pl.len())


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under another name, as `def name` would have it."""
    function.__name__ = name
    return function


def declared_source(**changes: object) -> Source:
    """The source `clicks`, with these keywords changed."""
    keywords: dict[str, Any] = {
        "schema": Clicks,
        "event_timestamp": "clicked_at",
        "start": "2024-01-01",
        "owners": ["team:web"],
    }

    def reader(start: datetime, end: datetime) -> pl.LazyFrame:
        return read(start, end)

    return source(**{**keywords, **changes})(named("clicks", reader))


clicks = declared_source()


@dimension(schema=Topics, owners=["team:web"])
def topics() -> pl.LazyFrame:
    return pl.LazyFrame({"topic": ["news"]})


def declared_group(function: Callable[..., Any] = compute, **changes: object) -> FeatureGroup:
    """The feature group `user_clicks`, with these keywords, or its function, changed."""
    keywords: dict[str, Any] = {
        "entity": USER,
        "schema": UserClicks,
        "sources": [trailing(clicks, days=3)],
        "ttl": timedelta(days=1),
        "owners": ["team:growth"],
    }

    def transform(clicks: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
        return compute(clicks, end)

    computed = transform if function is compute else function
    return feature_group(**{**keywords, **changes})(named("user_clicks", computed))


def schema(**columns: object) -> type[pa.DataFrameModel]:
    """A model with these annotations; a pair is an annotation and a field."""
    pairs = {name: each for name, each in columns.items() if isinstance(each, tuple)}
    annotations = {name: pairs.get(name, (each,))[0] for name, each in columns.items()}
    fields = {name: field for name, (_, field) in pairs.items()}
    return type("Wrong", (pa.DataFrameModel,), {"__annotations__": annotations, **fields})
