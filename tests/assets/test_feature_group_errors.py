"""A wrong feature group fails where it is written, and names itself, the field and the remedy."""

from datetime import timedelta
from typing import Any, Optional

import pandera.polars as pa
import polars as pl
import pytest

from headrace.assets.authoring import DAILY, HOURLY, EventTimestamp, trailing
from headrace.contract.errors import DefinitionError
from headrace.tests.assets.changeable_declarations import (
    clicks,
    declared_group,
    declared_source,
    schema,
    topics,
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"freshness": 3},
            "freshness: 3 is no duration. Pass a timedelta, as timedelta(days=2)",
            id="a freshness that is a number",
        ),
        pytest.param(
            {"buckets": 10**7},
            "buckets: 10000000 would make as many small files of every partition. "
            "Pass 4096 at most; a bucket should hold some 100,000 entities",
            id="more buckets than files are good for",
        ),
        pytest.param(
            {"owners": 5},
            'owners: 5 is no list. Name the owners in a list, as owners=["team:growth"]',
            id="owners that are a number",
        ),
        pytest.param(
            {"owners": ["team:web", "team:web"]},
            "owners: 'team:web' is named twice. Name each owner once",
            id="an owner who is named twice",
        ),
        pytest.param(
            {"tags": ["gold"]},
            'tags: [\'gold\'] is no mapping. Pass a dictionary, as tags={"tier": "gold"}',
            id="tags without values",
        ),
        pytest.param(
            {"schema": schema(clicks=int)},
            "schema Wrong.user_id: join key 'user_id' of entity 'user' is missing. "
            "Declare the column as Int64",
            id="a join key that the schema lacks",
        ),
        pytest.param(
            {"schema": schema(user_id=str, clicks=int)},
            "schema Wrong.user_id: entity 'user' has this join key as Int64, never null; "
            "this is String. Declare it with the entity's type",
            id="a join key of another type",
        ),
        pytest.param(
            {"schema": schema(user_id=(int, pa.Field(nullable=True)), clicks=int)},
            "schema Wrong.user_id: entity 'user' has this join key as Int64, never null; "
            "this is nullable Int64. Declare it with the entity's type",
            id="a join key that may be null",
        ),
        pytest.param(
            {"schema": {"user_id": int}},
            "schema: {'user_id': <class 'int'>} is no pandera model. "
            "Pass a class derived from pandera.polars.DataFrameModel",
            id="a schema that is no model",
        ),
        pytest.param(
            {"schema": schema(user_id=int)},
            "schema Wrong: it has no features. Declare at least one",
            id="a schema without features",
        ),
        pytest.param(
            {"schema": schema(user_id=int, clicks=(int, pa.Field(coerce=True)))},
            "schema Wrong: it coerces, and nothing is ever cast silently. "
            "Remove `coerce` and cast in the function",
            id="a schema that casts",
        ),
        pytest.param(
            {"schema": schema(user_id=int, clicks=pl.UInt32)},
            "schema Wrong.clicks: no Delta table holds it. "
            "UInt32 cannot be stored in Delta as it is; cast to Int64",
            id="a type that Delta would change",
        ),
        pytest.param(
            {"schema": schema(user_id=int, topics=list[str])},
            "schema Wrong.topics: List(String) cannot be served. List(String) is no type of a "
            "feature; lists hold Float32, Float64 or Int64: cast the inner type",
            id="a type that cannot be served",
        ),
        pytest.param(
            {"schema": schema(user_id=int, clicks=Optional[int])},  # noqa: UP045  # as an author might write it
            "schema Wrong.clicks: the column may be missing. "
            "Declare it without Optional; pa.Field(nullable=True) allows nulls",
            id="a column that may be missing",
        ),
        pytest.param(
            {"schema": schema(user_id=int, entity_bucket=int)},
            "schema Wrong.entity_bucket: the name is that of a partition column. "
            "Choose another name",
            id="the name of a partition column",
        ),
        pytest.param(
            {"schema": schema(user_id=int, Entity_Bucket=int)},
            "schema Wrong.Entity_Bucket: the name is that of a partition column. "
            "Choose another name",
            id="the name of a partition column but for its case",
        ),
        pytest.param(
            {"schema": schema(user_id=int, clicks=int, Clicks=int)},
            "schema Wrong: 'Clicks' differs from 'clicks' in case alone, and Delta takes both for"
            " one. Choose another name",
            id="two names that differ in case alone",
        ),
        pytest.param(
            {"schema": schema(user_id=int, Event_Timestamp=int)},
            "schema Wrong.Event_Timestamp: 'Event_Timestamp' differs from 'event_timestamp' in case"
            " alone, and Delta takes both for one. Choose another name",
            id="a feature that is named as the event timestamp but for its case",
        ),
        pytest.param(
            {"schema": schema(user_id=int, quarantine_row=int)},
            "schema Wrong.quarantine_row: the name is that of a column of every quarantine. "
            "Choose another name",
            id="the name of a column of a quarantine",
        ),
        pytest.param(
            {"schema": schema(user_id=int, clicks__7d=int)},
            "schema Wrong.clicks__7d: 'clicks__7d' is no column name. "
            "Use letters and digits, joined by single underscores",
            id="a feature name that makes group__feature ambiguous",
        ),
        pytest.param(
            {"schema": schema(user_id=int, event_timestamp=EventTimestamp, clicks=int)},
            "schema Wrong.event_timestamp: the platform stamps every row with the end of its "
            'partition. Remove it, or declare online="upsert" for rows with times of their own',
            id="a snapshot with event timestamps of its own",
        ),
        pytest.param(
            {"online": "upsert"},
            "schema UserClicks.event_timestamp: there is no such column to hold the event "
            "timestamp. Declare `event_timestamp: EventTimestamp`",
            id="an upsert without event timestamp",
        ),
        pytest.param(
            {"schema": schema(user_id=int, event_timestamp=str, clicks=int), "online": "upsert"},
            "schema Wrong.event_timestamp: an event timestamp is UTC in microseconds and never "
            "null; this is String. Declare `event_timestamp: EventTimestamp`",
            id="an upsert with an event timestamp of another type",
        ),
        pytest.param(
            {
                "schema": schema(
                    user_id=int,
                    event_timestamp=(EventTimestamp, pa.Field(nullable=True)),
                    clicks=int,
                ),
                "online": "upsert",
            },
            "schema Wrong.event_timestamp: an event timestamp is UTC in microseconds and never "
            "null; this is nullable Datetime(time_unit='us', time_zone='UTC'). "
            "Declare `event_timestamp: EventTimestamp`",
            id="an upsert with an event timestamp that may be null",
        ),
        pytest.param(
            {"online": "append"},
            'online: \'append\' is no semantics. Use "snapshot", "upsert" or None',
            id="semantics that do not exist",
        ),
        pytest.param(
            {"entity": "user"},
            "entity: 'user' is no entity. Pass what Entity(…) made",
            id="an entity by name",
        ),
        pytest.param(
            {"owners": []},
            'owners: nobody owns it. Name at least one owner in a list, as owners=["team:growth"]',
            id="no owners",
        ),
        pytest.param(
            {"owners": ["growth"]},
            "owners: 'growth' is no owner. Write \"team:name\" or an e-mail address",
            id="a malformed owner",
        ),
        pytest.param(
            {"ttl": timedelta(0)},
            "ttl: datetime.timedelta(0) is no positive duration. "
            "Pass a timedelta greater than 0, or None when values never expire",
            id="a TTL of nothing",
        ),
        pytest.param(
            {"ttl": 3600},
            "ttl: 3600 is no positive duration. "
            "Pass a timedelta greater than 0, or None when values never expire",
            id="a TTL without a unit",
        ),
        pytest.param(
            {"version": 0},
            "version: 0 is no version. Versions are the integers 1, 2, 3, …",
            id="version 0",
        ),
        pytest.param(
            {"freshness": timedelta(hours=23)},
            "freshness: 23:00:00 is shorter than a partition plus its lateness (1 day, 0:00:00). "
            "Make it at least that, or use finer partitions",
            id="a freshness shorter than a partition",
        ),
        pytest.param(
            {
                "sources": [trailing(declared_source(lateness=timedelta(hours=3)), days=1)],
                "freshness": timedelta(hours=26),
            },
            "freshness: 1 day, 2:00:00 is shorter than a partition plus its lateness "
            "(1 day, 3:00:00). Make it at least that, or use finer partitions",
            id="a freshness shorter than a partition and its lateness",
        ),
        pytest.param(
            {"buckets": 0},
            "buckets: 0 is no number of buckets. Pass an integer of at least 1",
            id="no buckets",
        ),
        pytest.param(
            {"approval": "yes"},
            "approval: 'yes' says neither yes nor no. "
            "Pass True to hold partitions until they are approved, else False",
            id="a demand for approval that is neither yes nor no",
        ),
        pytest.param(
            {"status": "retired"},
            "status: 'retired' is no status. Use one of experimental, active, deprecated",
            id="an unknown status",
        ),
        pytest.param(
            {"tags": {"cost center": "7"}},
            "tags: 'cost center': '7' is no tag. "
            "Use at most 63 letters, digits, `_`, `.` and `-` for key and value",
            id="a tag that Dagster would refuse",
        ),
        pytest.param(
            {"partitions": "DAILY"},
            "partitions: 'DAILY' is no partitioning. Use DAILY or HOURLY",
            id="partitions by name",
        ),
        pytest.param(
            {"sources": ["clicks"]},
            "sources: 'clicks' is no declared source, dimension or feature group. "
            "Import what @source, @dimension or @feature_group made, and pass that",
            id="a source by name",
        ),
        pytest.param(
            {"sources": [clicks]},
            "sources: it does not say how much of 'clicks' is seen. "
            "Write trailing(clicks, days=…) or same_partition(clicks)",
            id="a source without a window",
        ),
        pytest.param(
            {"sources": [trailing(clicks, days=1), trailing(clicks, days=7)]},
            "sources: 'clicks' is named twice. "
            "Take the longest window once, and filter inside the function",
            id="a source twice",
        ),
        pytest.param(
            {"sources": [topics]},
            "sources: nothing in it has partitions. "
            "Add trailing(…) or same_partition(…) of a source or of another group",
            id="dimensions alone",
        ),
        pytest.param(
            {"partitions": HOURLY},
            "source 'clicks': it is DAILY, coarser than the HOURLY partitions here. "
            "Declare partitions=DAILY, or a finer source",
            id="a source that is coarser",
        ),
        pytest.param(
            {"sources": [trailing(clicks, hours=36)]},
            "source 'clicks': a window of 1 day, 12:00:00 is no multiple of its DAILY partitions. "
            "A window takes whole partitions: change its length, or use a finer source",
            id="a window that cuts a partition",
        ),
        pytest.param(
            {"function": lambda click, end: (click, end)},
            "parameter 'click': no declared source has this name. "
            "Parameters are clicks, end; add it to sources=[…], or rename it",
            id="a source that does not exist",
        ),
        pytest.param(
            {"sources": [trailing(clicks, days=1), topics]},
            "source 'topics': the function has no parameter of this name. "
            "Take a parameter `topics: pl.LazyFrame`, or remove it from sources=[…]",
            id="a source that no parameter takes",
        ),
        pytest.param(
            {"function": lambda **frames: frames},
            "parameter 'frames': no declared source has this name. "
            "Parameters are clicks, end; add it to sources=[…], or rename it",
            id="a function of anything",
        ),
    ],
)
def test_a_wrong_feature_group_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        declared_group(**changes)

    assert str(caught.value) == f"feature group 'user_clicks', {message}"


def test_whole_days_of_a_daily_source_may_be_written_in_hours() -> None:
    assert declared_group(sources=[trailing(clicks, hours=48)]).partitions is DAILY
