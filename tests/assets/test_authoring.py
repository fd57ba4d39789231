"""What a right declaration becomes."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.assets.authoring import DAILY, HOURLY, feature_group, same_partition, source, trailing
from headrace.contract.document import decode_document
from headrace.contract.errors import UnknownNameError
from headrace.contract.feature_group import (
    DType,
    FeatureGroupSpec,
    FeatureServiceSpec,
    FeatureSpec,
    Online,
)
from headrace.contract.partitions import Window
from headrace.resources.offline.table_spec import TableKind, TableSpec
from headrace.tests.assets.web_declarations import (
    USER,
    UTC_MICROSECONDS,
    Clicks,
    UserClicks,
    clicks,
    pages,
    reading,
    returning,
    user_clicks,
    user_last_click,
)


def test_a_group_publishes_its_schema_as_features_in_declared_order() -> None:
    assert user_clicks.spec == FeatureGroupSpec(
        name="user_clicks",
        version=1,
        entity=USER.spec,
        features=(
            FeatureSpec(
                "clicks_3d",
                DType.INT64,
                description="Clicks in 3 days.",
                tags=(("unit", "clicks"),),
            ),
            FeatureSpec("topics_3d", DType.FLOAT64_LIST, nullable=True),
        ),
        ttl=timedelta(days=2),
        online=Online.SNAPSHOT,
        owners=("team:growth", "ada@example.com"),
        partitions="DAILY",
        description="How much a user clicks.",
        tags=(("tier", "gold"),),
    )


def test_what_nearly_all_groups_want_is_the_default() -> None:
    assert user_clicks.version == 1
    assert user_clicks.partitions is DAILY
    assert user_clicks.spec.online is Online.SNAPSHOT
    assert user_clicks.spec.status == "active"
    assert user_clicks.freshness == timedelta(days=1, hours=2)


def test_a_group_without_words_of_its_own_is_described_by_its_schema() -> None:
    @feature_group(
        entity=USER,
        schema=UserClicks,
        sources=[same_partition(clicks)],
        ttl=None,
        owners=["team:growth"],
    )
    def silent(clicks: pl.LazyFrame) -> pl.LazyFrame:
        return clicks

    assert silent.spec.description == "One row per user with a click."


def test_a_table_holds_join_keys_then_the_event_timestamp_then_features() -> None:
    table = user_clicks.table

    assert table.columns == (
        ("user_id", pl.Int64()),
        ("event_timestamp", UTC_MICROSECONDS),
        ("clicks_3d", pl.Int64()),
        ("topics_3d", pl.List(pl.Float64())),
    )
    assert (table.kind, table.version, table.buckets) == (TableKind.FEATURES, 1, 4)
    assert (table.key, table.stamped_at_end) == (("user_id",), True)
    assert table.document is not None
    assert decode_document(table.document) == user_clicks.spec
    assert user_last_click.table.stamped_at_end is False


def test_a_source_is_stored_as_it_is_read() -> None:
    assert clicks.table == TableSpec(
        kind=TableKind.SOURCE,
        name="clicks",
        version=1,
        columns=(("user_id", pl.Int64()), ("page", pl.String()), ("clicked_at", UTC_MICROSECONDS)),
        partitioning=HOURLY,
        event_timestamp="clicked_at",
        stamped_at_end=False,
        key=(),
    )


def test_a_dimension_is_stored_as_a_whole() -> None:
    assert pages.table == TableSpec(
        kind=TableKind.DIMENSION,
        name="pages",
        version=1,
        columns=(("page", pl.String()), ("topic", pl.String())),
        partitioning=None,
        event_timestamp=None,
        stamped_at_end=False,
        key=(),
    )


def test_asset_keys_carry_the_version_from_the_second_on() -> None:
    assert clicks.asset_path == ("sources", "clicks")
    assert pages.asset_path == ("dimensions", "pages")
    assert returning.asset_path == ("training_sets", "returning")
    assert (user_clicks.offline_path, user_clicks.online_path) == (
        ("offline", "user_clicks"),
        ("online", "user_clicks"),
    )
    assert (user_last_click.offline_path, user_last_click.online_path) == (
        ("offline", "user_last_click_v2"),
        ("online", "user_last_click_v2"),
    )


def test_declared_functions_stay_callable() -> None:
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)

    rows = user_clicks(clicks=clicks(start, end), pages=pages(), end=end).collect()

    assert rows.rows(named=True) == [{"user_id": 1, "clicks_3d": 1, "topics_3d": [1.0]}]


def test_frames_may_be_eager_and_end_may_be_left_out_of_a_function() -> None:
    end = datetime(2024, 1, 1, 1, tzinfo=UTC)
    eager = clicks(end - timedelta(hours=1), end).collect()

    rows = user_last_click(clicks=eager, end=end).collect()

    assert rows.rows() == [(1, "a", datetime(2024, 1, 1, tzinfo=UTC))]


def test_a_trailing_window_takes_whole_partitions_up_to_the_end() -> None:
    (window,) = user_clicks.input_windows("2024-01-05")

    assert window.window == Window(
        datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 1, 6, tzinfo=UTC)
    )
    assert (window.partitions[0], window.partitions[-1]) == ("2024-01-03-00:00", "2024-01-05-23:00")
    assert (len(window.partitions), window.is_complete) == (72, True)


def test_the_first_windows_are_incomplete_and_say_so() -> None:
    (window,) = user_clicks.input_windows("2024-01-02")

    assert window.window.start == datetime(2023, 12, 31, tzinfo=UTC)
    assert (window.partitions[0], len(window.partitions)) == ("2024-01-01-00:00", 48)
    assert not window.is_complete


def test_the_same_partition_of_an_input_is_its_own_window() -> None:
    (window,) = user_last_click.input_windows("2024-01-05-07:00")

    assert (window.partitions, window.is_complete) == (("2024-01-05-07:00",), True)


def test_partitions_of_a_group_begin_with_the_first_whole_one_of_its_latest_source() -> None:
    @source(
        schema=Clicks,
        event_timestamp="clicked_at",
        start="2024-02-01T06:00Z",
        owners=["team:web"],
        partitions=HOURLY,
    )
    def late_clicks(start: datetime, end: datetime) -> pl.LazyFrame:
        return clicks(start, end)

    @feature_group(
        entity=USER,
        schema=UserClicks,
        sources=[trailing(clicks, days=3), trailing(late_clicks, hours=6)],
        ttl=None,
        owners=["team:growth"],
    )
    def both(clicks: pl.LazyFrame, late_clicks: pl.LazyFrame) -> pl.LazyFrame:
        return pl.concat([clicks, late_clicks])

    assert both.start == datetime(2024, 2, 2, tzinfo=UTC)


def test_a_group_may_be_computed_from_another_group() -> None:
    @feature_group(
        entity=USER,
        schema=UserClicks,
        sources=[trailing(user_clicks, days=7)],
        ttl=None,
        owners=["team:growth"],
    )
    def smoothed(user_clicks: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
        return user_clicks.filter(pl.col("event_timestamp") == end)

    assert smoothed.lateness == timedelta(hours=2)
    assert smoothed.start == user_clicks.start
    assert smoothed.input_windows("2024-01-02")[0].partitions == ("2024-01-01", "2024-01-02")


def test_a_service_lists_features_one_by_one_and_pins_what_is_pinned() -> None:
    assert reading.spec == FeatureServiceSpec(
        name="reading",
        version=1,
        features=("user_last_click@2:page", "user_clicks:clicks_3d", "user_clicks:topics_3d"),
        owners=("team:growth",),
    )


def test_an_unknown_feature_of_a_group_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        user_clicks["click_3d"]

    assert str(caught.value) == (
        "there is no feature 'user_clicks:click_3d'; did you mean 'user_clicks:clicks_3d' or"
        " 'user_clicks:topics_3d'?"
    )


def test_a_training_set_holds_its_spine_and_one_column_per_feature() -> None:
    assert returning.table == TableSpec(
        kind=TableKind.TRAINING_SET,
        name="returning",
        version=1,
        columns=(
            ("user_id", pl.Int64()),
            ("event_timestamp", UTC_MICROSECONDS),
            ("returns", pl.Boolean()),
            ("user_last_click__page", pl.String()),
            ("user_clicks__clicks_3d", pl.Int64()),
            ("user_clicks__topics_3d", pl.List(pl.Float64())),
        ),
        partitioning=DAILY,
        event_timestamp=None,
        stamped_at_end=False,
        key=(),
    )


def test_a_training_set_begins_where_its_windows_are_complete() -> None:
    (window,) = returning.input_windows("2024-01-02")

    assert returning.start == datetime(2024, 1, 2, tzinfo=UTC)
    assert (window.partitions[0], window.is_complete) == ("2024-01-01-00:00", True)
