"""Which groups can be computed in shards is said where they are declared."""

from datetime import datetime, timedelta
from inspect import Parameter, Signature

import pandera.polars as pa
import polars as pl
import pytest

from headrace.assets.authoring import (
    EventTimestamp,
    dimension,
    feature_group,
    same_partition,
    source,
    trailing,
)
from headrace.assets.declarations import AnyInput, FeatureGroup, Source
from headrace.assets.shards.sharding import shards_of
from headrace.contract.errors import DefinitionError
from headrace.tests.assets.changeable_declarations import USER, clicks, declared_group, named


class Pages(pa.DataFrameModel):
    page: str
    shown_at: EventTimestamp


class Orders(pa.DataFrameModel):
    user_id: str
    ordered_at: EventTimestamp


class Plans(pa.DataFrameModel):
    plan: str


@source(schema=Pages, event_timestamp="shown_at", start="2024-01-01", owners=["team:web"])
def pages(start: datetime, end: datetime) -> pl.LazyFrame:
    assert start < end
    return pl.LazyFrame(schema={"page": pl.String, "shown_at": pl.Datetime("us", "UTC")})


@source(schema=Orders, event_timestamp="ordered_at", start="2024-01-01", owners=["team:web"])
def orders(start: datetime, end: datetime) -> pl.LazyFrame:
    assert start < end
    return pl.LazyFrame(schema={"user_id": pl.String, "ordered_at": pl.Datetime("us", "UTC")})


@dimension(schema=Plans, owners=["team:web"])
def plans() -> pl.LazyFrame:
    return pl.LazyFrame({"plan": ["free"]})


class UserPages(pa.DataFrameModel):
    user_id: int
    pages: int


def declared(*inputs: AnyInput, shards: int = 2, buckets: int = 4) -> FeatureGroup:
    """The group `user_pages` of these inputs; all but its shards is right."""

    def function(**frames: pl.LazyFrame) -> pl.LazyFrame:
        return next(iter(frames.values()))

    parameters = [Parameter(each.name, Parameter.KEYWORD_ONLY) for each in inputs]
    function.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return feature_group(
        entity=USER,
        schema=UserPages,
        sources=inputs,
        ttl=timedelta(days=1),
        owners=["team:web"],
        buckets=buckets,
        shards=shards,
    )(named("user_pages", function))


@pytest.mark.parametrize("shards", [0, 5, True, "2", 1.5])
def test_shards_are_dealt_buckets_and_each_needs_one(shards: object) -> None:
    with pytest.raises(DefinitionError) as refused:
        declared_group(buckets=4, shards=shards)

    assert str(refused.value) == (
        f"feature group 'user_clicks', shards: {shards!r} is no number of shards of 4 entity"
        " buckets. Pass an integer from 1 to the number of buckets; each shard takes some"
    )


@pytest.mark.parametrize("upstream", [pages, orders], ids=["without the key", "of another type"])
def test_an_input_that_cannot_be_dealt_out_by_entity_is_refused(upstream: Source) -> None:
    with pytest.raises(DefinitionError) as refused:
        declared(trailing(clicks, days=1), same_partition(upstream))

    assert str(refused.value) == (
        f"feature group 'user_pages', source '{upstream.name}': its rows cannot be dealt out to"
        " shards by user: it has no user_id (Int64). Carry the join keys in it, with the entity's"
        " types, or declare shards=1"
    )
    assert declared(trailing(clicks, days=1), same_partition(upstream), shards=1).shards == 1


def test_a_dimension_of_something_else_is_seen_whole() -> None:
    assert declared(trailing(clicks, days=1), plans).shards == 2


def test_shards_take_all_buckets_once() -> None:
    group = declared(trailing(clicks, days=1), buckets=7, shards=3)

    assert sorted(bucket for shard in shards_of(group) for bucket in shard.buckets) == list(
        range(7)
    )


def test_more_shards_are_no_other_computation() -> None:
    one, two = (declared(trailing(clicks, days=1), shards=shards) for shards in (1, 2))

    assert one.code_version == two.code_version
    assert one.spec == two.spec
