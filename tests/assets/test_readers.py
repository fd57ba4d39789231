"""Folders of Parquet and CSV, read by window and by schema."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.assets.authoring import EventTimestamp
from headrace.assets.readers import csv_folder, parquet_folder
from headrace.contract.errors import ColumnMismatchError, SourceUnreadableError

START, END = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Clicks(pa.DataFrameModel):
    user_id: int
    clicked_at: EventTimestamp


class Facts(pa.DataFrameModel):
    name: str = pa.Field(nullable=True)
    born: pl.Date = pa.Field(nullable=True)
    seen: EventTimestamp = pa.Field(nullable=True)
    score: pl.Float32 = pa.Field(nullable=True)
    is_new: bool = pa.Field(nullable=True)


def parquet(folder: Path, name: str, clicked_at: list[datetime], dtype: pl.DataType) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {
            "clicked_at": pl.Series(clicked_at).cast(dtype),
            "user_id": pl.Series(range(len(clicked_at)), dtype=pl.Int64),
            "unread": pl.Series(["x"] * len(clicked_at), dtype=pl.String),
        }
    ).write_parquet(file)


def clicks(folder: Path, start: datetime = START, end: datetime = END) -> pl.DataFrame:
    return parquet_folder(
        str(folder), schema=Clicks, event_timestamp="clicked_at", start=start, end=end
    ).collect()


def test_a_window_holds_its_start_and_not_its_end(tmp_path: Path) -> None:
    times = [START - MICROSECOND, START, END - MICROSECOND, END]
    parquet(tmp_path, "clicks.parquet", times, pl.Datetime("us", "UTC"))

    rows = clicks(tmp_path)

    assert rows.rows() == [(1, START), (2, END - MICROSECOND)]
    assert Clicks.validate(rows).height == 2


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_naive_timestamps_are_read_as_utc_in_microseconds(tmp_path: Path, unit: str) -> None:
    naive = [time.replace(tzinfo=None) for time in (START, END - timedelta(milliseconds=1), END)]
    parquet(tmp_path, "clicks.parquet", naive, pl.Datetime(unit))  # type: ignore[arg-type]  # a time unit

    rows = clicks(tmp_path)

    assert rows["clicked_at"].dtype == pl.Datetime("us", "UTC")
    assert rows["clicked_at"].to_list() == [START, END - timedelta(milliseconds=1)]


def test_nanoseconds_before_the_end_belong_to_the_window(tmp_path: Path) -> None:
    last = pl.Series([1]).cast(pl.Int64) * 0 + (int(END.timestamp()) * 10**9 - 1)
    frame = pl.DataFrame({"user_id": [7], "clicked_at": last.cast(pl.Datetime("ns"))})
    frame.write_parquet(tmp_path / "clicks.parquet")

    assert clicks(tmp_path).rows() == [(7, END - MICROSECOND)]


def test_timestamps_of_another_zone_become_utc(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [1, 2], "clicked_at": [START, END]}).with_columns(
        pl.col("clicked_at").dt.convert_time_zone("Asia/Tokyo")
    )
    frame.write_parquet(tmp_path / "clicks.parquet")

    assert clicks(tmp_path).rows() == [(1, START)]


def test_dates_are_the_first_instants_of_their_days(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [1, 2], "clicked_at": [date(2024, 1, 2), date(2024, 1, 3)]})
    frame.write_parquet(tmp_path / "clicks.parquet")

    assert clicks(tmp_path).rows() == [(1, START)]
    assert clicks(tmp_path, START, START + timedelta(hours=1)).rows() == [(1, START)]
    assert clicks(tmp_path, START + timedelta(hours=1), END).rows() == []


def test_an_event_timestamp_that_is_no_time_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [1], "clicked_at": ["2024"]}).write_parquet(tmp_path / "a.parquet")

    with pytest.raises(ColumnMismatchError, match=r"clicked_at: expected Datetime.*found String"):
        clicks(tmp_path)


def test_all_files_of_a_folder_are_read_at_any_depth(tmp_path: Path) -> None:
    parquet(tmp_path, "2023/a.parquet", [START], pl.Datetime("us", "UTC"))
    parquet(tmp_path, "2024/01/b.parquet", [START + MICROSECOND], pl.Datetime("us", "UTC"))

    assert clicks(tmp_path)["clicked_at"].to_list() == [START, START + MICROSECOND]


@given(st.lists(st.integers(-3 * 24, 6 * 24), max_size=20))
def test_every_row_lies_in_exactly_one_partition(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("clicks")
    times = sorted(START + timedelta(hours=each) for each in hours)
    parquet(folder, "clicks.parquet", times, pl.Datetime("us", "UTC"))
    days = [START + timedelta(days=each) for each in range(-3, 7)]

    read = [row for day in days for row in clicks(folder, day, day + timedelta(days=1)).rows()]

    assert [row[1] for row in read] == times


def test_a_window_leaves_out_of_a_scan_what_statistics_exclude(tmp_path: Path) -> None:
    parquet(tmp_path, "clicks.parquet", [START.replace(tzinfo=None)], pl.Datetime("us"))

    plan = parquet_folder(
        str(tmp_path), schema=Clicks, event_timestamp="clicked_at", start=START, end=END
    ).explain()

    assert "SELECTION" in plan
    assert "PROJECT 2/3 COLUMNS" in plan


def test_a_column_that_differs_from_the_schema_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": ["a"]}).write_parquet(tmp_path / "clicks.parquet")

    with pytest.raises(ColumnMismatchError) as caught:
        clicks(tmp_path)

    assert caught.value.differences == (
        "user_id: expected Int64, found String",
        "clicked_at: expected Datetime(time_unit='us', time_zone='UTC'), found no such column",
    )


@pytest.mark.parametrize("name", ["missing", "empty", "missing/*.parquet"])
def test_a_folder_without_files_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(SourceUnreadableError, match="check that the folder exists"):
        clicks(tmp_path / name)


def test_csv_is_parsed_by_the_schema_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "is_new,unread,name,born,seen,score\n"
        "true,1,007,2024-01-02,2024-01-02T03:04:05Z,1.5\n"
        ",2,,,,\n"
        "false,3,Zoë,1969-12-31,2024-01-02 03:04:05.000006,-0.1\n"
    )
    (tmp_path / "b.csv").write_text(
        "is_new,unread,name,born,seen,score\ntrue,4,x,2024-01-02,2024-01-02T03:04:05+01:00,1e3\n"
    )

    rows = csv_folder(str(tmp_path), schema=Facts).collect()

    assert Facts.validate(rows).rows() == [
        ("007", date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), 1.5, True),
        (None, None, None, None, None),
        (
            "Zoë",
            date(1969, 12, 31),
            datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
            pytest.approx(-0.1),
            False,
        ),
        ("x", date(2024, 1, 2), datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC), 1000.0, True),
    ]


def test_csv_is_read_by_window(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "user_id,clicked_at\n1,2024-01-01\n2,2024-01-02\n3,2024-01-03\n"
    )

    rows = csv_folder(
        str(tmp_path), schema=Clicks, event_timestamp="clicked_at", start=START, end=END
    ).collect()

    assert rows.rows() == [(2, START)]


@pytest.mark.parametrize("value", ["1.5", "one", "99999999999999999999"])
def test_text_that_does_not_parse_is_an_error(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.csv").write_text(f"user_id,clicked_at\n{value},2024-01-02\n")

    with pytest.raises(pl.exceptions.ComputeError, match="could not parse"):
        csv_folder(str(tmp_path), schema=Clicks).collect()


def test_a_column_that_csv_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id\n1\n")

    with pytest.raises(ColumnMismatchError) as caught:
        csv_folder(str(tmp_path), schema=Clicks)

    assert caught.value.differences == (
        "clicked_at: expected Datetime(time_unit='us', time_zone='UTC'), found no such column",
    )


def test_a_type_that_text_does_not_spell_is_named(tmp_path: Path) -> None:
    class Vectors(pa.DataFrameModel):
        vector: list[float]

    (tmp_path / "a.csv").write_text('vector\n"[1.0]"\n')

    with pytest.raises(ColumnMismatchError) as caught:
        csv_folder(str(tmp_path), schema=Vectors)

    assert caught.value.differences == ("vector: expected List(Float64), found text",)
