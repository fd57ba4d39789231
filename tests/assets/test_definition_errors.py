"""Wrong entities, sources, windows, services and training sets fail where they are written."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from headrace.assets.authoring import (
    Entity,
    EventTimestamp,
    feature_group,
    feature_service,
    same_partition,
    source,
    trailing,
    training_set,
)
from headrace.contract.errors import DefinitionError
from headrace.tests.assets.changeable_declarations import (
    USER,
    Clicks,
    UserClicks,
    clicks,
    declared_group,
    declared_source,
    named,
    read,
    schema,
    topics,
)

user_clicks = declared_group()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"late_within": 7},
            "late_within: 7 is no duration. Pass a timedelta, as timedelta(days=2)",
            id="a time for late rows that is a number",
        ),
        pytest.param(
            {"event_timestamp": "at"},
            "schema Clicks.at: there is no such column to hold the event timestamp. "
            "Declare `at: EventTimestamp`",
            id="an event timestamp that is no column",
        ),
        pytest.param(
            {"event_timestamp": "user_id"},
            "schema Clicks.user_id: an event timestamp is UTC in microseconds and never null; "
            "this is Int64. Declare `user_id: EventTimestamp`",
            id="an event timestamp of another type",
        ),
        pytest.param(
            {"start": "yesterday"},
            'start: \'yesterday\' is no instant. Write it as "2017-01-01" or "2017-01-01T06:00Z"',
            id="a start that is no instant",
        ),
        pytest.param(
            {"start": "2024-01-01T06:00"},
            "start: 2024-01-01T06:00:00+00:00 lies inside a DAILY partition. "
            "Begin with a whole one, at 2024-01-01T00:00:00+00:00",
            id="a start inside a partition",
        ),
        pytest.param(
            {"landing": "orders/{partition}.csv"},
            "landing: 'orders/{partition}.csv': it begins with no absolute folder, s3:// address or"
            " variable. Write it as /data/orders/{partition}/*.csv or"
            " s3://bucket/orders/{partition:%Y/%m/%d}.parquet",
            id="a landing that is no place",
        ),
        pytest.param(
            {"late_within": timedelta(hours=23)},
            "late_within: 23:00:00 is shorter than a partition plus its lateness (1 day, 0:00:00). "
            "Pass the timedelta after a partition's end in which rows still come",
            id="a time in which nothing can be late",
        ),
        pytest.param(
            {"late_within": timedelta(days=7), "landing": "/in/{partition}.csv"},
            "late_within: its landing tells of rows that come late, however late. "
            "Leave late_within out",
            id="late rows told of twice",
        ),
        pytest.param(
            {"lateness": timedelta(hours=-1)},
            "lateness: datetime.timedelta(days=-1, seconds=82800) is no duration. "
            "Pass the timedelta by which rows arrive after their partition ends; 0 or more",
            id="a lateness below 0",
        ),
        pytest.param(
            {"schema": schema(clicked_at=EventTimestamp, kind=pl.Categorical)},
            "schema Wrong.kind: no Delta table holds it. "
            "Categorical cannot be stored in Delta as it is; cast to String",
            id="a type that Delta would change",
        ),
        pytest.param(
            {"owners": ["web"]},
            "owners: 'web' is no owner. Write \"team:name\" or an e-mail address",
            id="a malformed owner",
        ),
    ],
)
def test_a_wrong_source_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        declared_source(**changes)

    assert str(caught.value) == f"source 'clicks', {message}"


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        pytest.param(
            lambda: Entity("user", join_keys={}),
            "entity 'user', join_keys: there are none. "
            'Name at least one column and its type, as {"household_id": pl.Int64}',
            id="an entity without join keys",
        ),
        pytest.param(
            lambda: Entity("user", join_keys={"user_id": pl.Float64}),
            "entity 'user', join key 'user_id': FLOAT64 does not identify. "
            "Use one of BYTES, DATE, INT32, INT64, STRING",
            id="a join key that does not identify",
        ),
        pytest.param(
            lambda: Entity("user", join_keys={"user_id": pl.UInt64}),
            "entity 'user', join key 'user_id': UInt64 cannot be served. UInt64 is no type of a "
            "feature; cast to Int64 (checked), or to String when values exceed 2^63",
            id="a join key of a type that nobody knows",
        ),
        pytest.param(
            lambda: Entity("user", join_keys={"event_timestamp": pl.Int64}),
            "entity 'user', join key 'event_timestamp': the name means when a row became true. "
            "Choose another name",
            id="a join key with a taken name",
        ),
        pytest.param(
            lambda: trailing(clicks, days=0),
            "window of 'clicks', days, hours: 0:00:00 is no positive length. "
            "Write trailing(x, days=30) or trailing(x, hours=6)",
            id="a window of nothing",
        ),
        pytest.param(
            lambda: trailing(topics, days=1),  # type: ignore[arg-type]  # the mistake
            "window of 'topics', sources: it is no declared source or feature group. "
            "Pass it by itself: a dimension has no partitions",
            id="a window of a dimension",
        ),
        pytest.param(
            lambda: same_partition(read),  # type: ignore[arg-type]  # the mistake
            f"window of {read!r}, sources: it is no declared source or feature group. "
            "Import what @source or @feature_group made, and pass that",
            id="a window of a plain function",
        ),
        pytest.param(
            lambda: source(
                schema=Clicks, event_timestamp="clicked_at", start="2024-01-01", owners=["team:web"]
            )(named("clicks", lambda since, end: (since, end))),
            "source 'clicks', parameter 'since': no declared source has this name. "
            "Parameters are start, end; add it to sources=[…], or rename it",
            id="a reader of another window",
        ),
        pytest.param(
            lambda: feature_group(
                entity=USER,
                schema=UserClicks,
                sources=[trailing(clicks, days=1)],
                ttl=None,
                owners=["team:web"],
            )(named("UserClicks", lambda clicks: clicks)),
            "feature group 'UserClicks', name: 'UserClicks' is no snake_case name. "
            "Use lower-case words joined by single underscores (two join `group__feature`)",
            id="a name in capitals",
        ),
        pytest.param(
            lambda: feature_group(
                entity=USER,
                schema=UserClicks,
                sources=[trailing(clicks, days=1)],
                ttl=None,
                owners=["team:web"],
            )(named("user_clicks_v2", lambda clicks: clicks)),
            "feature group 'user_clicks_v2', name: 'user_clicks_v2' ends as the asset key of a "
            "version does. Leave the version out of the name; groups take it as version=…",
            id="a name with a version",
        ),
        pytest.param(
            lambda: feature_service("reading", features=[], owners=["team:web"]),
            "feature service 'reading', features: there are none. Name at least one",
            id="a service of nothing",
        ),
        pytest.param(
            lambda: feature_service(
                "reading", features=[user_clicks, user_clicks["clicks"]], owners=["team:web"]
            ),
            "feature service 'reading', features: user_clicks:clicks is named twice. "
            "Name each feature once",
            id="a service with a feature twice",
        ),
        pytest.param(
            lambda: feature_service(
                "reading",
                features=["user_clicks:clicks"],  # type: ignore[list-item]  # the mistake
                owners=["team:web"],
            ),
            "feature service 'reading', features: 'user_clicks:clicks' is no feature. "
            'Pass groups and features of groups, as household_spend["spend_30d"]',
            id="a service of names",
        ),
    ],
)
def test_a_wrong_declaration_of_another_kind_is_refused(
    declare: Callable[[], object], message: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        declare()

    assert str(caught.value) == message


def returns_nothing(clicks: pl.LazyFrame) -> pl.LazyFrame:
    return clicks.select("page")


def returns_no_key(clicks: pl.LazyFrame) -> pl.LazyFrame:
    return clicks.select(event_timestamp="clicked_at")


def returns_no_time(clicks: pl.LazyFrame) -> pl.LazyFrame:
    return clicks.select("user_id")


@pytest.mark.parametrize(
    ("function", "field"),
    [
        (returns_nothing, "function"),
        (returns_no_key, "spine column 'user_id'"),
        (returns_no_time, "spine column 'event_timestamp'"),
    ],
)
def test_a_wrong_spine_is_refused(function: Callable[..., pl.LazyFrame], field: str) -> None:
    service = feature_service("reading", features=[user_clicks], owners=["team:web"])

    with pytest.raises(DefinitionError) as caught:
        training_set(service=service, sources=[trailing(clicks, days=7)], owners=["team:web"])(
            function
        )

    assert (caught.value.subject, caught.value.field) == (
        f"training set {function.__name__!r}",
        field,
    )


def test_a_training_set_needs_a_declared_service() -> None:
    with pytest.raises(DefinitionError, match="'reading' is no feature service"):
        training_set(
            service="reading",  # type: ignore[arg-type]  # the mistake
            sources=[trailing(clicks, days=7)],
            owners=["team:web"],
        )(returns_no_key)


@pytest.mark.parametrize("days", ["7", None, float("nan"), 10**12])
def test_a_window_that_is_no_length_is_named_with_its_source(days: object) -> None:
    with pytest.raises(
        DefinitionError, match=r"window of .clicks..* are no length\. Write trailing"
    ):
        trailing(clicks, days=days)  # type: ignore[arg-type]  # the mistake


def test_a_name_that_is_no_text_is_no_name() -> None:
    name: Any = 7
    with pytest.raises(DefinitionError, match="7 is no snake_case name"):
        feature_service(name, features=[user_clicks], owners=["team:web"])
