"""Which partition a file that lands belongs to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.assets.landing import Landing, checked_landing
from headrace.contract.errors import DefinitionError, InvalidArgumentError
from headrace.contract.partitions import DAILY, HOURLY, Partitioning

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "partitioning", "path", "partition"),
    [
        ("/in/{partition}.csv", DAILY, "2024-01-03.csv", "2024-01-03"),
        ("/in/{partition}/*.csv", DAILY, "2024-01-03/part 1.csv", "2024-01-03"),
        ("/in/{partition}/*.csv", DAILY, "2024-01-03/deeper/1.csv", None),
        ("/in/{partition}/*.csv", DAILY, "2024-01-03/1.csv.tmp", None),
        ("/in/{partition}.csv", DAILY, "2024-02-31.csv", None),
        ("/in/{partition}.csv", DAILY, "README", None),
        ("/in/{partition:%Y/%m/%d}/*", DAILY, "2024/01/03/x", "2024-01-03"),
        ("/in/*_{partition:%Y%m%d}_*.csv", DAILY, "shop_20240103_7.csv", "2024-01-03"),
        (
            "s3://b/in/y={partition:%Y}/m={partition:%m}/d={partition:%d}/*",
            DAILY,
            *("y=2024/m=01/d=03/a.parquet", "2024-01-03"),
        ),
        ("/in/{partition}.csv", HOURLY, "2024-01-03-05:00.csv", "2024-01-03-05:00"),
        ("/in/{partition:%Y%m%dT%H}.csv", HOURLY, "20240103T05.csv", "2024-01-03-05:00"),
        ("/in/{partition:%Y-%m-%dT%H%M}.csv", HOURLY, "2024-01-03T0530.csv", None),
        ("/in+(1)/a.{partition}.csv", DAILY, "ax2024-01-03.csv", None),
    ],
)
def test_a_path_says_which_partition_a_file_belongs_to(
    text: str, partitioning: Partitioning, path: str, partition: str | None
) -> None:
    landing = checked_landing("source 'orders'", text, partitioning, START)

    assert landing is not None
    assert landing.partition(path) == partition


@given(
    days=st.integers(0, 20_000),
    partitioning=st.sampled_from([DAILY, HOURLY]),
    form=st.sampled_from(["%Y-%m-%d %H", "%H/%d/%m/%Y", "%Y%m%d%H%M", "%Y-%j-%H"]),
)
def test_what_is_written_by_a_pattern_is_read_by_it(
    days: int, partitioning: Partitioning, form: str
) -> None:
    start = partitioning.floor(datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=days, hours=days))
    landing = Landing(f"/in/{{partition:{form}}}/*.csv", partitioning)

    assert landing.partition(landing.path(start)) == partitioning.key(start)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("in/{partition}.csv", "begins with no absolute folder"),
        ("/in/orders.csv", "does not say where {partition} stands"),
        ("/in/{partition}/**/*.csv", "may have * alone"),
        ("/in/{partition}/part-[ab].csv", "may have * alone"),
        ("/in/{date}.csv", "does not say where {partition} stands"),
        ("/in/{date}/{partition}.csv", "braces stand nowhere"),
        ("/in/{partition}/$NAME.csv", "variables and braces"),
        ("$IN{partition}.csv", "names no folder"),
        ("/in/{partition:%Y-%m}.csv", "do not tell DAILY partitions apart"),
        ("/in/{partition:%Y-%m-%d}/{partition:%d}.csv", "do not tell DAILY partitions apart"),
        ("/in/{partition:%y%m%d}.csv", "%y is none of"),
        ("/in/{partition:%Y%m%d%}.csv", "% is none of"),
    ],
)
def test_a_landing_that_says_too_little_is_refused(text: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        checked_landing("source 'orders'", text, DAILY, START)

    assert str(refused.value).startswith("source 'orders', landing: ")
    assert problem in str(refused.value)


def test_an_hourly_landing_names_the_hour() -> None:
    with pytest.raises(DefinitionError, match="do not tell HOURLY partitions apart"):
        checked_landing("source 'orders'", "/in/{partition:%Y-%m-%d}.csv", HOURLY, START)


def test_the_folder_is_what_stands_before_the_first_placeholder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUCKET", "s3://raw")

    assert Landing("${BUCKET}/shop/x_*/{partition}.csv", DAILY).folder() == "s3://raw/shop"
    with pytest.raises(InvalidArgumentError, match="NOWHERE"):
        Landing("$NOWHERE/{partition}.csv", DAILY).folder()
