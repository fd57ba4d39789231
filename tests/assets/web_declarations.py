"""A source, a dimension, two feature groups, a service and a training set, all right."""

from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    HOURLY,
    Entity,
    EventTimestamp,
    dimension,
    feature_group,
    feature_service,
    same_partition,
    source,
    trailing,
    training_set,
)

USER = Entity("user", join_keys={"user_id": pl.Int64})
UTC_MICROSECONDS = pl.Datetime("us", "UTC")


class Clicks(pa.DataFrameModel):
    user_id: int
    page: str
    clicked_at: EventTimestamp


class Pages(pa.DataFrameModel):
    page: str
    topic: str = pa.Field(nullable=True)


class UserClicks(pa.DataFrameModel):
    """One row per user with a click."""

    user_id: int
    clicks_3d: int = pa.Field(ge=1, description="Clicks in 3 days.", metadata={"unit": "clicks"})
    topics_3d: list[float] = pa.Field(nullable=True)


class UserLastClick(pa.DataFrameModel):
    user_id: int
    event_timestamp: EventTimestamp
    page: str


@source(
    schema=Clicks,
    event_timestamp="clicked_at",
    start="2024-01-01",
    owners=["team:web"],
    partitions=HOURLY,
    lateness=timedelta(hours=2),
)
def clicks(start: datetime, end: datetime) -> pl.LazyFrame:
    """Clicks of a window."""
    return pl.LazyFrame({"user_id": [1, 1], "page": ["a", "b"], "clicked_at": [start, end]}).filter(
        pl.col("clicked_at") < end
    )


@dimension(schema=Pages, owners=["team:web"])
def pages() -> pl.LazyFrame:
    return pl.LazyFrame({"page": ["a"], "topic": ["news"]})


@feature_group(
    entity=USER,
    schema=UserClicks,
    sources=[trailing(clicks, days=3), pages],
    ttl=timedelta(days=2),
    owners=["team:growth", "ada@example.com"],
    tags={"tier": "gold"},
    buckets=4,
)
def user_clicks(clicks: pl.LazyFrame, pages: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    """How much a user clicks."""
    return (
        clicks.filter(pl.col("clicked_at") < end)
        .join(pages, on="page")
        .group_by("user_id")
        .agg(clicks_3d=pl.len().cast(pl.Int64), topics_3d=pl.lit([1.0]).first())
    )


@feature_group(
    entity=USER,
    schema=UserLastClick,
    sources=[same_partition(clicks)],
    ttl=None,
    owners=["team:growth"],
    partitions=HOURLY,
    online="upsert",
    version=2,
)
def user_last_click(clicks: pl.LazyFrame) -> pl.LazyFrame:
    return clicks.select("user_id", "page", event_timestamp="clicked_at")


reading = feature_service(
    "reading", features=[user_last_click["page"].pin(), user_clicks], owners=["team:growth"]
)


@training_set(service=reading, sources=[trailing(clicks, days=2)], owners=["team:growth"])
def returning(clicks: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
    """Who comes back within two days."""
    at = pl.lit(end - timedelta(days=2), dtype=UTC_MICROSECONDS)
    return clicks.select("user_id", event_timestamp=at, returns=pl.lit(value=True)).unique()
